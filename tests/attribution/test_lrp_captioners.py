"""The one-backward LRP against Algorithm 1 in nested loops, for every captioner."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.attribution import oracle
from tests.attribution.tiny import CAPTIONERS, B, R, S, captioner, captions, lrp, regions
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch

ORACLES: dict[str, Callable[..., oracle.Relevance]] = {
    name: getattr(oracle, name.partition("_")[0]) for name in CAPTIONERS
}


def batch(mask: torch.Tensor | None = None) -> CaptionBatch:
    return CaptionBatch(torch.arange(B), captions().unsqueeze(1), regions=regions(), mask=mask)


def close(actual: torch.Tensor, expected: np.ndarray, tolerance: float = 1e-9) -> bool:
    return bool(np.abs(actual.numpy() - expected).max() <= tolerance * np.abs(expected).max())


@pytest.mark.parametrize("name", CAPTIONERS)
@pytest.mark.parametrize("epsilon", [0.01, 1e-9])
def test_relevance_is_that_of_nested_loops(name: str, epsilon: float) -> None:
    model = captioner(name)
    targets = Targets(captions())
    explanation = lrp(epsilon=epsilon).attribute(model, batch(), targets)
    weights = {key: value.detach().numpy() for key, value in model.state_dict().items()}
    inputs = targets.inputs()
    for b in range(B):
        for t in (0, 1, S - 1):
            logit, words, image = ORACLES[name](
                weights, regions()[b].numpy(), inputs[b, : t + 1].numpy(), int(captions()[b, t]), epsilon
            )
            assert close(explanation.words[b, t, : t + 1], words)
            assert close(explanation.regions[b, t], image.sum(1))
            assert (
                abs(float(explanation.residual[b, t]) - (logit - words.sum() - image.sum())) <= 1e-9 * abs(image).sum()
            )


def test_the_oracle_tells_where_epsilon_stands() -> None:
    """At ε = 0.01 a denominator without its ε is visible; the comparison above would not pass by chance."""
    weights = {key: value.detach().numpy() for key, value in captioner("gridtd").state_dict().items()}
    args = regions()[0].numpy(), Targets(captions()).inputs()[0].numpy(), 5
    assert not np.allclose(oracle.gridtd(weights, *args, 0.01)[2], oracle.gridtd(weights, *args, 1e-9)[2], rtol=1e-3)


@pytest.mark.parametrize("name", CAPTIONERS)
def test_padding_regions_have_no_relevance_and_change_none(name: str) -> None:
    mask = torch.tensor([[True] * (R - 1) + [False], [True] * R])
    model = captioner(name)
    padded = lrp().attribute(model, batch(mask), Targets(captions()))
    short = CaptionBatch(torch.arange(1), captions()[:1].unsqueeze(1), regions=regions()[:1, : R - 1])
    alone = lrp().attribute(model, short, Targets(captions()[:1]))
    assert (padded.regions[0, :, R - 1] == 0).all() and (padded.regions[1, :, R - 1] != 0).all()
    torch.testing.assert_close(padded.regions[:1, :, : R - 1], alone.regions)
    torch.testing.assert_close(padded.words[:1], alone.words)


@pytest.mark.parametrize("name", CAPTIONERS)
def test_no_word_depends_on_later_ones_or_on_other_questions(name: str) -> None:
    model, targets = captioner(name), Targets(captions())
    every = lrp().attribute(model, batch(), targets)
    assert (every.words.triu(1) == 0).all()
    some = lrp().attribute(model, batch(), Targets(captions(), positions=[2, 0]))
    cut = lrp().attribute(model, batch(), Targets(captions()[:, :2], positions=[1]))
    for place, partial, at in ((2, some, 0), (0, some, 1), (1, cut, 0)):
        torch.testing.assert_close(partial.regions[:, at], every.regions[:, place])
        length = partial.words.shape[2]
        torch.testing.assert_close(partial.words[:, at], every.words[:, place, :length])


def test_this_word_rather_than_that_one_is_a_difference() -> None:
    model = captioner("gridtd")
    this, that = torch.full((B, S), 4), torch.full((B, S), 5)
    first, other = (lrp().attribute(model, batch(), Targets(captions(), words=words)) for words in (this, that))
    both = lrp().attribute(model, batch(), Targets(captions(), words=this, against=that))
    torch.testing.assert_close(both.regions, first.regions - other.regions)
    torch.testing.assert_close(both.words, first.words - other.words)
    torch.testing.assert_close(both.residual, first.residual - other.residual)


def test_the_predicted_word_is_the_most_likely_one_after_the_given_words() -> None:
    model, targets = captioner("soft"), Targets(captions(), words="predicted")
    with torch.no_grad():
        logits = model.eval().unroll(targets.inputs(), model.features(batch())).logits
    predicted = lrp().attribute(model, batch(), targets)
    likeliest = lrp().attribute(model, batch(), Targets(captions(), words=logits.argmax(2)))
    torch.testing.assert_close(predicted.regions, likeliest.regions, rtol=0, atol=0)
    score = (predicted.regions.sum(2) + predicted.words.sum(2) + predicted.residual).numpy()
    np.testing.assert_allclose(score, logits.amax(2).numpy(), rtol=1e-12)
