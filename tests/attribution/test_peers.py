"""Maps of an encoder equal Captum's and zennit's, rule for rule; zero biases: each library has its own way with them.

Captum takes inputs to be non-negative under α1β0 and γ; zennit, as we do, any. Double precision; 1e-6 of the largest
entry is left for the stabilisers, which the libraries add in different places.
"""

import copy
from collections.abc import Callable

import pytest
import torch
import torchvision
from captum.attr import LRP as CaptumLRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule, PropagationRule
from torch import Tensor, nn
from zennit import rules as zennit_rules
from zennit.attribution import Gradient
from zennit.composites import SpecialFirstLayerMapComposite
from zennit.core import Hook
from zennit.layer import Sum
from zennit.torchvision import ResNetCanonizer
from zennit.types import Convolution

from tests.attribution.tiny import Stack, resnet, vgg
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.rules import Rule
from whysaid.data.images import Preprocessing
from whysaid.models.encoders.resnet import Bottleneck

SIDE = 8
"""Pixels of the images' side."""


def network(make: Callable[[], nn.Module], non_negative: bool) -> tuple[Stack, Tensor]:
    """An encoder without biases, in float64, and two images."""
    torch.manual_seed(0)
    encoder = make().double().eval()
    for module in encoder.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
        if isinstance(getattr(module, "bias", None), Tensor):
            nn.init.zeros_(module.bias)
    images = torch.randn(2, 3, SIDE, SIDE).double()
    assert isinstance(encoder, Stack)
    return encoder, images.abs() if non_negative else images


def unit(encoder: Stack, images: Tensor) -> int:
    """The explained entry of the encoder's output: one that is not dead."""
    return int(encoder(images).values.flatten(1).amin(0).argmax())


def ours(encoder: Stack, images: Tensor, composite: Composite) -> Tensor:
    """Relevance of the pixels for one entry of the output."""
    chosen = unit(encoder, images)
    images = images.clone().requires_grad_()
    with composite.applied(encoder):
        output = encoder(images).values
    (relevance,) = torch.autograd.grad(output.flatten(1)[:, chosen].sum(), images)
    return relevance


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-6) -> None:
    assert expected.abs().max() > 1e-4  # there is something to compare
    assert (actual - expected).abs().max() < tolerance * expected.abs().max()


class Flat(nn.Module):
    """Regions (B, R, D) as (B, R·D), in the manner of a classifier."""

    def __init__(self, encoder: Stack):
        super().__init__()
        self.features = copy.deepcopy(encoder.features)
        for module in self.modules():
            if isinstance(module, Bottleneck):  # zennit knows torchvision's own
                module.relu = nn.ReLU()
                module.__class__ = torchvision.models.resnet.Bottleneck

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).flatten(2).transpose(1, 2).flatten(1)


CAPTUM: dict[str, tuple[Rule, Callable[[], PropagationRule]]] = {
    "epsilon": (rules.epsilon(1e-9), lambda: EpsilonRule(1e-9)),
    "alpha1_beta0": (rules.alpha_beta(1, 0), Alpha1_Beta0_Rule),
}


@pytest.mark.parametrize("name", CAPTUM)
def test_a_map_equals_captums(name: str) -> None:
    encoder, images = network(vgg, non_negative=True)
    rule, theirs = CAPTUM[name]
    model = Flat(encoder)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.rule = theirs()
    with torch.enable_grad():
        expected = CaptumLRP(model).attribute(images.clone(), target=unit(encoder, images))
    close(ours(encoder, images, Composite(rule, rule, rule)), expected.detach())


def test_gamma_equals_captums_where_outputs_are_positive() -> None:
    """Captum's γ favours positive weights whatever the sign of the output, and ReLU lets positive ones pass alone."""
    encoder, images = network(vgg, non_negative=True)
    model = Flat(encoder)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.rule = GammaRule(0.25)
    expected = CaptumLRP(model).attribute(images.clone(), target=unit(encoder, images)).detach()
    rule = rules.gamma(0.25)
    close(ours(encoder, images, Composite(rule, rule, rule)), expected)


PREPROCESSING = Preprocessing(SIDE, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def seen_as(pixel: float) -> Tensor:
    """What the preprocessing makes of a pixel of each channel, (1, 3, 1, 1): where z^B takes its bounds from."""
    mean, std = (torch.tensor(part).double().view(1, 3, 1, 1) for part in (PREPROCESSING.mean, PREPROCESSING.std))
    return (pixel - mean) / std


ZENNIT: dict[str, tuple[Rule, Callable[[], Hook]]] = {
    "epsilon": (rules.epsilon(0.01), lambda: zennit_rules.Epsilon(0.01)),
    "alpha1_beta0": (rules.alpha_beta(1, 0), lambda: zennit_rules.ZPlus(stabilizer=1e-9)),
    "alpha2_beta1": (rules.alpha_beta(2, 1), lambda: zennit_rules.AlphaBeta(2, 1, stabilizer=1e-9)),
    "gamma": (rules.gamma(0.25), lambda: zennit_rules.Gamma(0.25, stabilizer=1e-9)),
}
FIRST: dict[str, tuple[Rule, Callable[[], Hook]]] = {
    **ZENNIT,
    "flat": (rules.flat(), lambda: zennit_rules.Flat(stabilizer=1e-9)),
    "w_square": (rules.w_square(), lambda: zennit_rules.WSquare(stabilizer=1e-9)),
    "z_box": (rules.z_box(PREPROCESSING), lambda: zennit_rules.ZBox(seen_as(0.0), seen_as(1.0), stabilizer=1e-9)),
}
MIXED = [("flat", "gamma"), ("w_square", "epsilon"), ("z_box", "alpha1_beta0")]
"""Rules that are for a first layer alone, before others."""


@pytest.mark.parametrize(("first", "others"), [*((n, n) for n in ZENNIT), *MIXED])
@pytest.mark.parametrize("make", [vgg, resnet])
def test_a_map_equals_zennits(make: Callable[[], nn.Module], first: str, others: str) -> None:
    encoder, images = network(make, non_negative=False)
    if make is resnet:
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.zeros_(module.running_mean)  # a folded one is a bias
    composite = SpecialFirstLayerMapComposite(
        layer_map=[(Convolution, ZENNIT[others][1]()), (Sum, zennit_rules.Norm(stabilizer=1e-9))],
        first_map=[(Convolution, FIRST[first][1]())],
        canonizers=[ResNetCanonizer()],
    )
    model, images = Flat(encoder), images.requires_grad_()
    chosen = unit(encoder, images.detach())
    with Gradient(model, composite) as attributor:
        _, expected = attributor(images, lambda output: output * (torch.arange(output.shape[1]) == chosen))
    rule = ZENNIT[others][0]
    tolerance = (
        1e-4 if make is resnet else 1e-6
    )  # what zennit leaves of a folded BatchNorm still divides by √(1 + 1e-5)
    close(ours(encoder, images.detach(), Composite(FIRST[first][0], rule, rule)), expected.detach(), tolerance)
