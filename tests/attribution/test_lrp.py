"""LRP from words to pixels."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from tests.attribution.tiny import (
    CAPTIONERS,
    ENCODERS,
    B,
    D,
    S,
    Stack,
    V,
    captioner,
    captions,
    lrp,
    photos,
    regions,
    sizes,
    without_biases,
)
from whysaid.attribution.lrp import lrp as module
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch
from whysaid.errors import UserError
from whysaid.models.captioner import CellOutput, State
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.soft import Soft
from whysaid.models.word_captioner import Features
from whysaid.run.resolvers import quick_dtype

CONF = Path(__file__).parents[2] / "conf" / "attribution"
TINY = 1e-13


def encoder(name: str) -> tuple[Encoder, int]:
    torch.manual_seed(1)
    make, side = ENCODERS[name]
    return make(), side


@pytest.mark.parametrize("name", CAPTIONERS)
@pytest.mark.parametrize("eyes", ENCODERS)
@pytest.mark.parametrize("rule", ["epsilon", "alpha1_beta0"])
def test_words_and_pixels_sum_to_the_logit_without_biases(name: str, eyes: str, rule: str) -> None:
    rule_of_encoder = rules.epsilon(TINY) if rule == "epsilon" else rules.alpha_beta(epsilon=TINY)
    sight, side = encoder(eyes)
    model = captioner(name, sight)
    without_biases(model)
    explanation = lrp(rule_of_encoder, epsilon=1e-12).attribute(model, photos(side), Targets(captions()))
    assert explanation.pixels is not None and explanation.pixels.shape == (B, S, 3, side, side)
    assert (explanation.residual.abs() <= 1e-8 * sizes([explanation.words, explanation.pixels])).all()
    assert (explanation.pixels.flatten(2).abs().sum(2) > 0).all()


@pytest.mark.parametrize("name", CAPTIONERS)
def test_the_residual_closes_the_sum_with_biases(name: str) -> None:
    sight, side = encoder("scenes_cnn")
    model, targets = captioner(name, sight), Targets(captions())
    explanation = lrp().attribute(model, photos(side), targets)
    assert explanation.pixels is not None
    with torch.no_grad():
        model.eval()
        logits = model.unroll(targets.inputs(), model.encode(photos(side))).logits
    said = logits.gather(2, captions().unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(
        explanation.words.sum(2) + explanation.pixels.flatten(2).sum(2) + explanation.residual, said
    )
    assert (explanation.residual.abs() > 1e-6).all()


@pytest.mark.parametrize("eyes", ENCODERS)
def test_chunks_and_other_words_change_nothing(eyes: str) -> None:
    sight, side = encoder(eyes)
    model = captioner("gridtd", sight)
    whole = lrp(chunk=S).attribute(model, photos(side), Targets(captions()))
    for chunk in (1, 3):
        parts = lrp(chunk=chunk).attribute(model, photos(side), Targets(captions()))
        torch.testing.assert_close(vars(parts), vars(whole), rtol=1e-9, atol=1e-12)
    some = lrp().attribute(model, photos(side), Targets(captions(), positions=[2]))
    assert whole.pixels is not None and some.pixels is not None
    torch.testing.assert_close(some.pixels[:, 0], whole.pixels[:, 2], rtol=1e-9, atol=1e-12)


def test_no_image_sees_another() -> None:
    sight, side = encoder("resnet")
    model = captioner("aoa", sight)
    both = lrp().attribute(model, photos(side), Targets(captions()))
    second = lrp().attribute(model, photos(side)[1:], Targets(captions()[1:]))
    for name, value in vars(second).items():
        torch.testing.assert_close(value, vars(both)[name][1:])


def test_pixels_and_their_regions_tell_the_same_of_the_captioner() -> None:
    sight, side = encoder("vgg")
    model = captioner("adaptive", sight)
    of_pixels = lrp().attribute(model, photos(side), Targets(captions()))
    values = sight.eval()(photos(side)).values.detach()
    batch = CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=values)
    stored = lrp().attribute(model, batch, Targets(captions()))
    assert stored.pixels is None
    torch.testing.assert_close(stored.regions, of_pixels.regions)
    torch.testing.assert_close(stored.words, of_pixels.words)


def test_the_model_is_left_as_it_was_found() -> None:
    sight, side = encoder("scenes_cnn")
    model = captioner("gridtd", sight).train()
    model.encoder.eval()
    modes = [part.training for part in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = lrp().attribute(model, photos(side), Targets(captions()))
    second = lrp().attribute(model, photos(side), Targets(captions()))
    torch.testing.assert_close(vars(first), vars(second), rtol=0, atol=0)  # without dropout
    with pytest.raises(UserError, match="captions"):
        lrp().attribute(model, photos(side), Targets(captions()[:1]))
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_works_where_gradients_are_off(mode: type) -> None:
    sight, side = encoder("resnet")
    model = captioner("aoa_refined", sight)
    expected = lrp().attribute(model, photos(side), Targets(captions()))
    with mode():
        explanation = lrp().attribute(model, photos(side), Targets(captions(), words=captions()))
    torch.testing.assert_close(vars(explanation), vars(expected))


def test_chunks_shrink_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = captioner("soft"), []
    batch = CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=regions())
    expected = lrp(chunk=4).attribute(model, batch, Targets(captions()))
    relevance = module._relevance

    def short(trace: module.Trace, some: slice) -> object:
        asked.append((some.start, some.stop - some.start))
        if some.stop - some.start > limit:
            raise torch.OutOfMemoryError
        return relevance(trace, some)

    monkeypatch.setattr(module, "_relevance", short)
    limit = 1
    torch.testing.assert_close(vars(lrp(chunk=3).attribute(model, batch, Targets(captions()))), vars(expected))
    assert asked == [(0, 3), (0, 1), (1, 1), (2, 1), (3, 1)]
    limit = 0
    with pytest.raises(UserError, match="memory"):
        lrp(chunk=4).attribute(model, batch, Targets(captions()))


def test_a_layer_with_nan_is_named() -> None:
    torch.manual_seed(0)
    second = nn.Conv2d(4, 5, 3)
    model = captioner("soft", Stack(5, nn.Conv2d(3, 4, 3), nn.ReLU(), second))
    nn.init.constant_(second.weight, torch.nan)
    with pytest.raises(UserError, match=r"features\.2"):
        lrp().attribute(model, photos(8), Targets(captions()))


@pytest.mark.parametrize("weight", ["language.recurrent.weight", "vocabulary_layer.weight", "project_region.weight"])
def test_a_layer_of_the_captioner_with_nan_is_named(weight: str) -> None:
    model = captioner("gridtd")
    nn.init.constant_(model.get_parameter(weight), torch.nan)
    batch = CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=regions())
    with pytest.raises(UserError, match=f"not finite from {weight.removesuffix('.weight')} on"):
        lrp().attribute(model, batch, Targets(captions()))


def test_an_encoder_without_layers_is_refused() -> None:
    with pytest.raises(UserError, match="no rule acts on Stack"):
        lrp().attribute(captioner("soft", Stack(3, nn.AvgPool2d(2))), photos(4), Targets(captions()))


@pytest.mark.parametrize("preset", ["lrp", "lrp_gamma", "lrp_epsilon", "lrp_alpha2_beta1"])
def test_presets_are_built_and_explain(preset: str) -> None:
    sight, side = encoder("efficientnet_lite0")
    explainer = instantiate(OmegaConf.load(CONF / f"{preset}.yaml"))
    assert isinstance(explainer, LRP) and isinstance(explainer.composite, Composite) and explainer.epsilon == 0.01
    explanation = explainer.attribute(captioner("gridtd", sight), photos(side), Targets(captions()))
    assert explanation.pixels is not None and explanation.pixels.abs().sum() > 0


def test_the_preset_of_the_paper() -> None:
    explainer = instantiate(OmegaConf.load(CONF / "lrp.yaml"))
    paper = Composite(rules.alpha_beta(1, 0), rules.alpha_beta(1, 0), rules.epsilon(0.01), quick_dtype())
    assert explainer.composite == paper


@pytest.mark.parametrize(("chunk", "epsilon"), [(0, 0.01), (1, -0.1)])
def test_bad_options_are_refused(chunk: int, epsilon: float) -> None:
    with pytest.raises(UserError, match="chunk"):
        lrp(chunk=chunk, epsilon=epsilon)


class Doubling(Soft):
    """Multiplies two live operands: the output by the hidden state."""

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        cell = super().advance(word, state, features)
        return cell._replace(output=cell.output * cell.state[0][:, :1])


def test_a_product_of_two_live_factors_is_refused() -> None:
    model = Doubling(RegionFeatures(D), V, 5, 6, 4).double()
    batch = CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=regions())
    with pytest.raises(UserError, match="MulBackward"):
        lrp().attribute(model, batch, Targets(captions()))
