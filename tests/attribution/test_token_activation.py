"""Token activation maps, step by step."""

import numpy as np
import pytest
import torch

from tests.attribution.sighted import sighted
from tests.attribution.tiny import S, captions, photos
from whysaid.attribution.gradient.simple import InputXGradient
from whysaid.attribution.targets import Targets
from whysaid.attribution.token_activation import TokenActivation, rank_gaussian, without_interference
from whysaid.errors import UserError


def test_what_earlier_words_explain_is_taken_away_at_the_scale_of_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, interference = (torch.rand(2, 3, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    interference[0, 0] = 0
    left = without_interference(maps, interference)
    torch.testing.assert_close(left[0, 0], maps[0, 0])
    for b, t in ((0, 1), (1, 2)):
        scale = np.linalg.lstsq(interference[b, t].numpy()[:, None], maps[b, t].numpy(), rcond=None)[0]
        expected = np.maximum(maps[b, t].numpy() - scale * interference[b, t].numpy(), 0)
        np.testing.assert_allclose(left[b, t], expected, atol=1e-12)
    torch.testing.assert_close(without_interference(maps, 3 * maps), torch.zeros_like(maps), rtol=0, atol=1e-12)


def test_the_filter_weighs_ranks_around_the_median() -> None:
    maps = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    maps[0, 0, 2:, 3:] = 0.25
    found = rank_gaussian(maps, 3)[0, 0].numpy()
    padded = np.pad(maps[0, 0].numpy(), 1, mode="reflect")
    for i in range(4):
        for j in range(5):
            values = np.sort(padded[i : i + 3, j : j + 3].ravel())
            sigma = values.std() / values.mean()
            weights = np.exp(-((np.arange(9) - 4) ** 2) / (2 * sigma**2 + 1e-300))
            assert found[i, j] == pytest.approx((values * weights).sum() / weights.sum())
    assert found[3, 4] == 0.25  # where all are equal, the median
    assert (rank_gaussian(torch.zeros(1, 1, 1, 4), 3) == 0).all()


@pytest.mark.parametrize("name", ["transformer", "gridtd"])
def test_each_word_by_hand(name: str) -> None:
    model, side = sighted(name, "scenes_cnn")
    said = captions()
    said[0, 3] = said[0, 1]  # said twice: no interference
    plain = InputXGradient().attribute(model, photos(side), Targets(said))
    maps, words = plain.regions.clamp(min=0), plain.words.clamp(min=0)
    explanation = TokenActivation(window=1).attribute(model, photos(side), Targets(said))
    for b in range(2):
        for t in range(S):
            earlier = [j for j in range(t) if said[b, j] != said[b, t]]
            weights = words[b, t, [j + 1 for j in earlier]]  # <start> is read first
            expected = maps[b, t]
            if weights.sum() > 0:
                interference = (weights / weights.sum()) @ maps[b, earlier]
                expected = without_interference(expected, interference)
            torch.testing.assert_close(explanation.regions[b, t], expected, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(explanation.words, words)
    grid = model.encoder.grid
    assert grid is not None
    smooth = TokenActivation(window=3).attribute(model, photos(side), Targets(said))
    torch.testing.assert_close(smooth.regions, rank_gaussian(explanation.regions.unflatten(2, grid), 3).flatten(2))


def test_words_explained_alone_know_all_that_were_said_before() -> None:
    model, side = sighted("transformer", "scenes_cnn")
    every = TokenActivation().attribute(model, photos(side), Targets(captions()))
    last = TokenActivation().attribute(model, photos(side), Targets(captions(), [3]))
    torch.testing.assert_close(last.regions[:, 0], every.regions[:, 3])


def test_a_window_without_a_middle_is_refused() -> None:
    with pytest.raises(UserError, match="its side is odd, and not 4"):
        TokenActivation(window=4)
