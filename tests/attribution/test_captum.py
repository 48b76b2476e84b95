"""The gradient family equals Captum's, on whole captioners.

Double precision; 1e-9 relative is left for sums in another order.
"""

from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import torch
from captum.attr._core import noise_tunnel
from torch import Tensor, nn

from tests.attribution.sighted import sighted
from tests.attribution.tiny import S, captions, photos
from whysaid.attribution.gradient.grad_cam import GradCam, GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.integrated import IntegratedGradients
from whysaid.attribution.gradient.simple import InputXGradient, Saliency
from whysaid.attribution.gradient.smooth import SmoothGrad
from whysaid.attribution.method import Method
from whysaid.attribution.occlusion import Occlusion
from whysaid.attribution.targets import Targets
from whysaid.models.captioner import Captioner

CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-14}
NAMES = ("soft", "adaptive", "gridtd", "aoa", "transformer")
EYES = ("scenes_cnn", "vgg", "resnet")
"""Encoders of plain ReLUs: Captum knows of no other."""


class Peer(nn.Module):
    """A captioner as Captum wants it: images and embedded words to logits (B, V) of one place in the caption."""

    def __init__(self, captioner: Captioner, place: int):
        super().__init__()
        self.captioner, self.place = captioner.eval(), place
        for module in captioner.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # Captum hooks modules

    def forward(self, images: Tensor, embedded: Tensor) -> Tensor:
        reading = self.captioner.read(embedded, self.captioner.encode(images))
        return self.captioner.head(reading.output[:, self.place])


def peer(name: str, eyes: str, place: int) -> tuple[Peer, tuple[Tensor, Tensor], Tensor]:
    """The module, its inputs, and the words at that place."""
    model, side = sighted(name, eyes)
    embedded = model.embed(Targets(captions()).inputs()).detach()
    return Peer(model, place), (photos(side).requires_grad_(), embedded.requires_grad_()), captions()[:, place]


def check(
    method: Method,
    made: tuple[Peer, tuple[Tensor, Tensor], Tensor],
    pixels: Tensor,
    words: Tensor | None,
    close: dict[str, Any] = CLOSE,
) -> None:
    """Ours for all words at once, at the place of the peer's."""
    explanation = method.attribute(made[0].captioner, made[1][0].detach(), Targets(captions()))
    assert explanation.pixels is not None and pixels.abs().sum() > 0
    torch.testing.assert_close(explanation.pixels[:, made[0].place], pixels.detach(), **close)
    if words is not None:
        torch.testing.assert_close(explanation.words[:, made[0].place], words.detach(), **close)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", NAMES)
def test_saliency_and_input_x_gradient(name: str, eyes: str) -> None:
    made = peer(name, eyes, 2)
    images, words = captum.attr.Saliency(made[0]).attribute(made[1], made[2], abs=False)
    check(Saliency(), made, images.abs(), words.sum(2))
    images, words = captum.attr.InputXGradient(made[0]).attribute(made[1], made[2])
    check(InputXGradient(), made, images, words.sum(2))


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", NAMES)
def test_deconvnet_and_guided_backprop(name: str, eyes: str) -> None:
    made = peer(name, eyes, 3)
    for ours, theirs in ((DeconvNet(), captum.attr.Deconvolution), (GuidedBackprop(), captum.attr.GuidedBackprop)):
        images, words = theirs(made[0]).attribute(made[1], made[2])
        check(ours, made, images, words.sum(2))


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("eyes", EYES)
def test_grad_cam_and_guided_grad_cam(eyes: str) -> None:
    made = peer("gridtd", eyes, 1)
    model, (images, embedded), target = made
    layer = model.captioner.encoder.features[-1]  # type: ignore[union-attr, index]
    cam = captum.attr.LayerGradCam(model, layer).attribute(images, target, (embedded,), relu_attributions=True)
    drawn = captum.attr.LayerAttribution.interpolate(cam, images.shape[-2:], "bilinear")
    check(GradCam(), made, drawn, None)
    explanation = GradCam().attribute(model.captioner, images.detach(), Targets(captions()))
    torch.testing.assert_close(explanation.regions[:, 1], cam.detach().flatten(1), **CLOSE)
    guided = captum.attr.GuidedGradCam(model, layer).attribute(images, target, (embedded,), interpolate_mode="bilinear")
    check(GuidedGradCam(), made, guided, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunk", [1, 2 * S])
def test_integrated_gradients(name: str, chunk: int) -> None:
    """From 0.25 in all pixels, and from zero words; 4 steps, whose places are exact in Captum's single precision."""
    made = peer(name, "scenes_cnn", 2)
    images, words = captum.attr.IntegratedGradients(made[0]).attribute(
        made[1], (0.25, 0.0), made[2], n_steps=4, method="riemann_middle"
    )
    check(IntegratedGradients(4, 0.25, chunk), made, images, words.sum(2))


@pytest.mark.parametrize("chunk", [2, 2 * S])
def test_smooth_grad(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captum draws by itself, for each image and by one deviation: it is given our noise instead."""
    made = peer("adaptive", "vgg", 2)
    generator, noise = torch.Generator().manual_seed(7), []
    for _ in range(3):
        noise.append([torch.randn(part.shape[1:], generator=generator) for part in made[1]])
    spreads = [x.detach().flatten(1) if x.ndim == 4 else x.detach() for x in made[1]]
    deviations = [0.2 * (x.amax(-1) - x.amin(-1)) for x in spreads]
    drawn = [
        torch.stack([d.view(*d.shape, *[1] * (x.ndim - d.ndim)) * n.double() for n in draws], 1).flatten(0, 1)
        for x, d, draws in zip(made[1], deviations, zip(*noise, strict=True), strict=True)
    ]
    noises = iter(drawn)
    monkeypatch.setattr(noise_tunnel.torch, "normal", lambda mean, deviation: next(noises))
    images, words = captum.attr.NoiseTunnel(captum.attr.Saliency(made[0])).attribute(
        made[1], "smoothgrad", nt_samples=3, stdevs=1.0, target=made[2], abs=False
    )
    monkeypatch.undo()
    check(SmoothGrad(3, 0.2, 7, chunk), made, images, words.sum(2))


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (3, 2), (5, 2)])
def test_occlusion(window: int, stride: int) -> None:
    """Of pixels, windows that are cut at the edge included, and of words one by one; Captum's maps are in float32."""
    made = peer("aoa", "scenes_cnn", 3)
    model, (images, embedded), target = made
    image: Callable[..., Tensor] = captum.attr.Occlusion(model).attribute
    pixels = image(
        images, (3, window, window), (3, stride, stride), 0.5, target=target, additional_forward_args=(embedded,)
    )
    ablation = captum.attr.FeatureAblation(lambda words, occluded: model(occluded, words))
    places = torch.arange(S).view(1, S, 1).expand(1, S, embedded.shape[2])
    words = ablation.attribute(embedded, 0.0, target, (images,), places)
    single = {"rtol": 1e-5, "atol": 1e-8}
    check(Occlusion(window, stride, 0.5, chunk=3), made, pixels[:, :1].double(), words[..., 0].double(), single)
