import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torchmetrics.functional.image import structural_similarity_index_measure

from whysaid.errors import UserError
from whysaid.metrics.faithfulness import (
    area_under,
    first_patches,
    rank_correlation,
    ranked_patches,
    sensitivity,
    structural_similarity,
    without_patches,
)


def generator():
    return torch.Generator().manual_seed(0)


def test_patches_are_ranked_by_their_sum():
    heat = torch.randn(3, 6, 4, generator=generator())
    ranked = ranked_patches(heat, 2, generator())
    for heat_map, ranking in zip(heat, ranked, strict=True):
        sums = [float(heat_map[i : i + 2, j : j + 2].sum()) for i in (0, 2, 4) for j in (0, 2)]
        assert ranking.tolist() == sorted(range(6), key=lambda p: -sums[p])


def test_equal_patches_come_in_a_drawn_order():
    heat = torch.zeros(200, 4, 4)
    heat[:, :2, 2:] = 1
    ranked = ranked_patches(heat, 2, generator())
    assert (ranked[:, 0] == 1).all()
    second = torch.bincount(ranked[:, 1], minlength=4)
    assert second[1] == 0 and second[[0, 2, 3]].min() > 40


def test_patches_that_do_not_fill_the_image():
    with pytest.raises(UserError, match="patches of 4 pixels do not fill 6 × 8 images"):
        ranked_patches(torch.zeros(1, 6, 8), 4, generator())


def test_removed_patches_get_the_mean_colour_of_the_image():
    image = torch.rand(3, 4, 6, generator=generator())
    removed = first_patches(torch.tensor([4, 0, 2, 1, 5, 3]), torch.tensor([0, 1, 2, 6]))
    assert removed.tolist()[2] == [True, False, False, False, True, False]
    kept = image.clone()
    without = without_patches(image, removed, 2)
    assert torch.equal(image, kept) and torch.equal(without[0], image)
    mean = image.mean((1, 2), keepdim=True)
    expected = image.clone()
    expected[:, 2:, 2:4] = mean  # patch 4: second row, second column
    assert torch.equal(without[1], expected)
    expected[:, :2, :2] = mean
    assert torch.equal(without[2], expected)
    assert torch.equal(without[3], mean.expand(3, 4, 6))


def test_the_area_is_numpys_trapezoid():
    curve = np.random.default_rng(0).random((4, 9))
    np.testing.assert_allclose(area_under(curve), np.trapezoid(curve, np.linspace(0, 1, 9), axis=1))
    assert area_under(np.full((1, 5), 0.3))[0] == pytest.approx(0.3)


def test_rank_correlation_is_scipys():
    a, b = torch.randn(2, 5, 4, 3, generator=generator()).round(decimals=1)  # with ties
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected, rtol=1e-6)
    assert rank_correlation(a, a) == pytest.approx(1) and rank_correlation(a, -a) == pytest.approx(-1)
    assert (rank_correlation(a, torch.ones_like(a)) == 0).all()


def test_ssim_does_not_depend_on_scale():
    a, b = torch.randn(2, 2, 16, 16, generator=generator())
    np.testing.assert_allclose(structural_similarity(a, 1e-6 * a), 1, rtol=1e-4)
    scaled = [t / t.abs().amax((1, 2), keepdim=True) for t in (a, b)]
    expected = structural_similarity_index_measure(scaled[0][:1, None], scaled[1][:1, None], data_range=2.0)
    assert structural_similarity(a, b)[0] == pytest.approx(float(expected), rel=1e-5)
    assert np.isfinite(structural_similarity(a, torch.zeros_like(a))).all()


def test_sensitivity_is_the_largest_relative_change():
    heat = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    disturbed = torch.stack([heat, heat + torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]]]), heat + 0.5 * heat])
    np.testing.assert_allclose(sensitivity(heat, disturbed), [0.5, 0.0])
