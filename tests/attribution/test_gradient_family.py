"""What holds for every method beside LRP, whatever the captioner and its encoder."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.attribution.sighted import GRADIENTS, METHODS, sighted
from tests.attribution.test_composite import state
from tests.attribution.tiny import CAPTIONERS, B, R, S, V, captioner, captions, photos, regions
from whysaid.attribution.answers import Answers
from whysaid.attribution.gradient.grad_cam import GradCam, GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.integrated import IntegratedGradients
from whysaid.attribution.gradient.simple import InputXGradient, Saliency
from whysaid.attribution.gradient.smooth import SmoothGrad
from whysaid.attribution.looking.attention import Attention
from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.occlusion import Occlusion
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import CaptionBatch
from whysaid.errors import UserError
from whysaid.models.encoders.resnet import ResNet
from whysaid.models.encoders.vgg16 import VGG16
from whysaid.models.saaa import SAAA

NAMES = ("soft", "adaptive", "gridtd", "aoa", "transformer")
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-13}
ON_REGIONS = ("saliency", "input_x_gradient", "grad_cam", "attention", "integrated_gradients", "smooth_grad")
"""Methods that need no images."""


def stored(mask: Tensor | None = None) -> CaptionBatch:
    return CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=regions(), mask=mask)


def same(first: Explanation, other: Explanation) -> None:
    torch.testing.assert_close(vars(first), vars(other), **CLOSE)


def part(of: Explanation, images: slice, words: list[int]) -> Explanation:
    parts = (None if value is None else value[images][:, words] for value in vars(of).values())
    return Explanation(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("eyes", ["scenes_cnn", "vgg", "resnet", "efficientnet_lite0"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_autograd_through_the_whole_model(name: str, eyes: str) -> None:
    """Plain and guided gradients, where hooks on ReLUs of the encoder (ReLU6 too) give the latter."""
    model, side = sighted(name, eyes)
    explanations = attribute_all(GRADIENTS, model, photos(side), Targets(captions()))
    model.eval()
    relus = [module for module in model.encoder.modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
    images, inputs = photos(side).requires_grad_(), Targets(captions()).inputs()
    rules = {
        "input_x_gradient": None,
        "deconvnet": lambda module, back, forth: (forth[0].clamp(min=0),),
        "guided_backprop": lambda module, back, forth: (back[0].clamp(min=0),),
    }
    for method, rule in rules.items():
        for relu in relus:
            relu.inplace = False
        hooks = [relu.register_full_backward_hook(rule) for relu in relus if rule is not None]
        logits = model.unroll(inputs, model.encode(images)).logits[:, 2]
        (gradient,) = torch.autograd.grad(logits.gather(1, captions()[:, 2:3]).sum(), images)
        expected = gradient * images.detach() if rule is None else gradient
        torch.testing.assert_close(explanations[method].pixels[:, 2], expected, **CLOSE)  # type: ignore[index]
        assert expected.abs().sum() > 0
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("method", METHODS)
def test_no_word_and_no_image_sees_another(method: str) -> None:
    model, side = sighted("gridtd", "resnet")
    every = METHODS[method].attribute(model, photos(side), Targets(captions()))
    assert every.pixels is not None and every.pixels.shape[:2] == (B, S) and every.pixels.shape[3:] == (side, side)
    assert every.words.shape == (B, S, S) and every.words.triu(1).abs().max() < 1e-12
    assert every.regions.shape[:2] == (B, S) == every.residual.shape
    some = METHODS[method].attribute(model, photos(side), Targets(captions(), positions=[2, 0]))
    same(some, part(every, slice(None), [2, 0]))
    last = METHODS[method].attribute(model, photos(side)[1:], Targets(captions()[1:]))
    same(last, part(every, slice(1, None), list(range(S))))


@pytest.mark.parametrize("method", METHODS)
def test_a_chunk_changes_nothing(method: str) -> None:
    model, side = sighted("adaptive", "scenes_cnn")
    ours = METHODS[method]
    before = ours.chunk  # type: ignore[attr-defined]
    whole = ours.attribute(model, photos(side), Targets(captions()))
    try:
        for chunk in (1, 3, 2 * S):
            ours.chunk = chunk  # type: ignore[attr-defined]
            same(ours.attribute(model, photos(side), Targets(captions())), whole)
    finally:
        ours.chunk = before  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, side = sighted("gridtd", "vgg")
    model.train()
    model.encoder.eval()
    before, weights = state(model), {name: value.clone() for name, value in model.state_dict().items()}
    METHODS[method].attribute(model, photos(side), Targets(captions()))
    assert state(model) == before

    def broken(*args: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(type(model), "advance", broken)
        with pytest.raises(RuntimeError, match="broken"):
            METHODS[method].attribute(model, photos(side), Targets(captions()))
    assert state(model) == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_works_where_gradients_are_off(mode: type) -> None:
    model, side = sighted("adaptive", "efficientnet_lite0_head")
    expected = attribute_all(GRADIENTS, model, photos(side), Targets(captions()))
    with mode():
        explanations = attribute_all(GRADIENTS, model, photos(side).clone(), Targets(captions().clone()))
    for name, explanation in explanations.items():
        same(explanation, expected[name])
        assert explanation.pixels is not None and not explanation.pixels.requires_grad


@pytest.mark.parametrize("name", CAPTIONERS)
@pytest.mark.parametrize("method", ON_REGIONS)
def test_regions_stand_in_for_images(name: str, method: str) -> None:
    mask = torch.tensor([[True] * (R - 1) + [False], [True] * R])
    model = captioner(name)
    padded = METHODS[method].attribute(model, stored(mask), Targets(captions()))
    assert padded.pixels is None and padded.regions.shape == (B, S, R)
    assert (padded.regions[0, :, R - 1] == 0).all() and (padded.regions[1].abs().sum() > 0).all()
    short = CaptionBatch(torch.arange(1), captions()[:1].unsqueeze(1), regions=regions()[:1, : R - 1])
    if method != "smooth_grad":  # whose draws differ with the number of regions
        alone = METHODS[method].attribute(model, short, Targets(captions()[:1]))
        torch.testing.assert_close(padded.regions[:1, :, : R - 1], alone.regions, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_integrated_gradients_add_up_to_what_the_baseline_lacks(name: str) -> None:
    """Of pixels and words, and of the regions that the pixels went through; the residual is what is left."""
    model, side = sighted(name, "scenes_cnn")
    fine = IntegratedGradients(steps=400, chunk=200)
    explanation = fine.attribute(model, photos(side), Targets(captions(), [S - 1]))
    model.eval()
    inputs, words = Targets(captions()).inputs(), captions()[:, -1:]
    with torch.no_grad():
        score = model.unroll(inputs, model.encode(photos(side))).logits[:, -1].gather(1, words)
        none = model.read(torch.zeros_like(model.embed(inputs)), model.encode(torch.zeros_like(photos(side)))).output
        base = model.head(none[:, -1]).gather(1, words)
    assert explanation.pixels is not None
    image = explanation.pixels.flatten(2).sum(2)
    torch.testing.assert_close(image + explanation.words.sum(2) + explanation.residual, score - base, rtol=0, atol=1e-9)
    scale = image.abs() + explanation.words.abs().sum(2)
    assert (explanation.residual.abs() < 1e-3 * scale).all()
    assert ((explanation.regions.sum(2) - image).abs() < 1e-2 * scale).all()
    whole = IntegratedGradients(steps=400, chunk=400).attribute(captioner(name), stored(), Targets(captions(), [S - 1]))
    assert (whole.residual.abs() < 1e-2 * (whole.regions.abs().sum(2) + whole.words.abs().sum(2))).all()


def test_a_predicted_word_stays_the_same_while_the_input_moves() -> None:
    """The words predicted for the photo itself, although hidden or noisy ones may bring others to mind."""
    model, side = sighted("soft", "vgg")
    with torch.no_grad():
        likely = model.eval().unroll(Targets(captions()).inputs(), model.encode(photos(side))).logits.argmax(2)
    methods: list[Method] = [IntegratedGradients(2), SmoothGrad(2, 5.0), Occlusion(8, 8)]
    for method in methods:
        explanation = method.attribute(model, photos(side), Targets(captions(), words="predicted"))
        same(explanation, method.attribute(model, photos(side), Targets(captions(), words=likely)))


def test_smooth_grad_is_the_gradient_without_noise_and_another_with_another_seed() -> None:
    model, side = sighted("aoa", "scenes_cnn")
    still = SmoothGrad(2, noise=0.0).attribute(model, photos(side), Targets(captions()))
    plain = Saliency().attribute(model, photos(side), Targets(captions()))
    assert still.pixels is not None and plain.pixels is not None
    torch.testing.assert_close(still.pixels.abs(), plain.pixels, **CLOSE)
    torch.testing.assert_close(still.words, plain.words, **CLOSE)
    first, again, other = (
        SmoothGrad(2, seed=seed).attribute(model, photos(side), Targets(captions())).words for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.allclose(first, other)


def test_attention_and_sentinel_are_the_captioners_own() -> None:
    model, side = sighted("gridtd", "vgg")
    with torch.no_grad():
        unrolled = model.eval().unroll(Targets(captions()).inputs(), model.encode(photos(side)))
    looked = Attention().attribute(model, photos(side), Targets(captions(), [3, 1]))
    torch.testing.assert_close(looked.regions, unrolled.attention[:, [3, 1]])
    assert looked.pixels is not None and unrolled.sentinel is not None and not looked.words.any()
    rows = model.encoder.grid[0]  # type: ignore[index]
    cells = looked.pixels[:, :, 0].unflatten(-1, (rows, -1)).unflatten(-3, (rows, -1)).mean((-3, -1))
    drawn, regions = (x - x.mean(2, keepdim=True) for x in (cells.flatten(2), looked.regions))
    assert (
        torch.cosine_similarity(drawn, regions, 2) > 0.9
    ).all()  # bilinear: smoother than cells, but in their places
    much = Sentinel().attribute(model, photos(side), Targets(captions()))
    assert much.pixels is not None and much.pixels.shape == (B, S, 1, side, side)
    torch.testing.assert_close(much.pixels.amax((2, 3, 4)), 1 - unrolled.sentinel)
    torch.testing.assert_close(much.regions.mean(2), 1 - unrolled.sentinel)


def test_grad_cam_weighs_features_by_their_mean_gradient() -> None:
    """By hand: the mean over regions of the gradient, times the features, negative sums cut off."""
    model, values = captioner("adaptive").eval(), regions().requires_grad_()
    logits = model.unroll(Targets(captions()).inputs(), model.project(values)).logits
    (gradient,) = torch.autograd.grad(logits[:, 1].gather(1, captions()[:, 1:2]).sum(), values)
    expected = torch.einsum("bd,brd->br", gradient.mean(1), regions()).clamp(min=0)
    explanation = GradCam().attribute(model, stored(), Targets(captions()))
    torch.testing.assert_close(explanation.regions[:, 1], expected, **CLOSE)
    assert (expected > 0).any() and (expected == 0).any()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (DeconvNet(), "only regions to explain"),
        (GuidedBackprop(), "only regions to explain"),
        (GuidedGradCam(), "only regions to explain"),
        (Occlusion(), "give the images"),
        (Sentinel(), "Soft has no sentinel"),
    ],
)
def test_methods_that_do_not_apply_to_features(method: Method, message: str) -> None:
    with pytest.raises(UserError, match=message):
        method.attribute(captioner("soft"), stored(), Targets(captions()))


@pytest.mark.parametrize("method", [Attention(), GradCam(), GuidedGradCam()])
def test_a_map_of_pixels_needs_a_grid(method: Method) -> None:
    model, side = sighted("aoa", "vgg")
    model.encoder.grid = None
    with pytest.raises(UserError, match="Stack have no grid"):
        method.attribute(model, photos(side), Targets(captions()))
    model.encoder.grid = (3, 3)
    with pytest.raises(UserError, match="not the 3 × 3 of its grid"):
        method.attribute(model, photos(side), Targets(captions()))


def test_settings_and_inputs_that_make_no_sense() -> None:
    model, side = sighted("aoa", "vgg")
    for make in (
        lambda: Occlusion(4, 5),
        lambda: IntegratedGradients(0),
        lambda: SmoothGrad(0),
        lambda: SmoothGrad(1, -1),
    ):
        with pytest.raises(UserError):
            make()
    with pytest.raises(UserError, match="larger than an image"):
        Occlusion(9, 5).attribute(model, photos(side), Targets(captions()))
    with pytest.raises(UserError, match="chunk"):
        Saliency(chunk=0).attribute(model, photos(side), Targets(captions()))
    with pytest.raises(UserError, match="2 images and 1 captions"):
        Saliency().attribute(model, photos(side), Targets(captions()[:1]))


def test_an_encoder_without_relus_has_nothing_to_guide() -> None:
    model, side = sighted("aoa", "vgg")
    model.encoder.features = nn.Sequential(nn.Conv2d(3, 6, 4, 4)).double()
    model.encoder.grid = (2, 2)
    with pytest.raises(UserError, match="Stack has no ReLU"):
        GuidedBackprop().attribute(model, photos(side), Targets(captions()))
    assert InputXGradient().attribute(model, photos(side), Targets(captions())).pixels is not None


@pytest.mark.parametrize(
    ("weight", "where"),
    [
        ("encoder.features.0.weight", "encoder.features.0"),
        ("encoder.features.3.weight", "encoder.features.3"),
        ("language.recurrent.weight", "language.recurrent"),
        ("vocabulary_layer.weight", "vocabulary_layer"),
        ("embedding.weight", "the embedded words"),
    ],
)
@pytest.mark.parametrize("method", ["saliency", "occlusion", "integrated_gradients"])
def test_a_map_that_is_not_finite_says_where(weight: str, where: str, method: str) -> None:
    model, side = sighted("gridtd", "vgg")
    model.get_parameter(weight).data[-1] = torch.nan
    if len(model.get_parameter(weight)) == V:
        model.get_parameter(weight).data[captions()[0, 1] :] = torch.nan
    with pytest.raises(UserError, match=f"not finite from {where} on"):
        METHODS[method].attribute(model, photos(side), Targets(captions()))
    model, images = sighted("gridtd", "vgg")[0], photos(side)
    images[0, 0, 0, 0] = torch.inf
    with pytest.raises(UserError, match="not finite from the images on"):
        METHODS[method].attribute(model, images, Targets(captions()))


@pytest.mark.parametrize("eyes", [lambda: VGG16(None, image_size=32), lambda: ResNet(50, None, image_size=64)])
def test_the_papers_encoders(eyes: Any) -> None:
    torch.manual_seed(0)
    encoder = eyes()
    model = captioner("gridtd", encoder).float().eval()
    side = encoder.preprocessing.size
    images, targets = photos(side, 1).float(), Targets(captions()[:1], [1])
    explanations = attribute_all(GRADIENTS, model, images, targets)
    leaf = images.clone().requires_grad_()
    logits = model.unroll(targets.inputs(), model.encode(leaf)).logits[:, 1]
    (expected,) = torch.autograd.grad(logits[0, captions()[0, 1]], leaf)
    pixels = explanations["saliency"].pixels
    assert pixels is not None
    torch.testing.assert_close(pixels[:, 0], expected.abs(), rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert all(
        explanation.pixels is not None and explanation.pixels.isfinite().all() for explanation in explanations.values()
    )


def test_answers_to_questions() -> None:
    """One output for all explained answers, and words that are not there."""
    _, side = sighted("soft", "scenes_cnn")
    torch.manual_seed(0)
    encoder = sighted("soft", "scenes_cnn")[0].encoder
    model = SAAA(encoder, V, 7, embed_dim=5, hidden_dim=6, attention_dim=4, classifier_dim=8).double()
    questions, wanted = captions(), torch.tensor([[1, 4], [2, 6]])
    questions[0, -1] = 0
    methods = {name: method for name, method in METHODS.items() if name != "sentinel"}
    explanations = attribute_all(methods, model, photos(side), Answers(questions, wanted))
    alone = attribute_all(methods, model, photos(side), Answers(questions, wanted[:, 1:]))
    for name, explanation in explanations.items():
        assert explanation.words.shape == (B, 2, S) and (explanation.words[0, :, -1].abs() < 1e-12).all(), name
        same(alone[name], part(explanation, slice(None), [1]))
    exact = IntegratedGradients(steps=300, chunk=100).attribute(model, photos(side), Answers(questions, wanted))
    assert exact.pixels is not None
    assert (exact.residual.abs() < 1e-3 * (exact.pixels.flatten(2).abs().sum(2) + exact.words.abs().sum(2))).all()
    images = photos(side).requires_grad_()
    logits = model.eval()(questions, model.encode(images))
    (gradient,) = torch.autograd.grad(logits.gather(1, wanted[:, :1]).sum(), images)
    torch.testing.assert_close(explanations["saliency"].pixels[:, 0], gradient.abs(), **CLOSE)  # type: ignore[index]
