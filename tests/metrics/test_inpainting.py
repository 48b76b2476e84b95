import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from whysaid.data.inpainting.filling import fill_biharmonic, fill_with_mean
from whysaid.metrics.inpainting import (
    Record,
    binned,
    by_size,
    hole_error,
    means,
    score_images,
)


def example() -> tuple[Tensor, Tensor, Tensor]:
    """Truth, what was made of it, and holes."""
    torch.manual_seed(0)
    truth, masks = torch.rand(3, 3, 24, 20), torch.zeros(3, 1, 24, 20)
    masks[0, :, 4:10, 4:10] = masks[1, :, :, 5:] = masks[2, :, 3, 3] = 1
    return truth, (truth + 0.1 * torch.randn(truth.shape) * masks).clamp(0, 1), masks


def test_against_numpy_and_scikit_image() -> None:
    truth, made, masks = example()
    scores = score_images(made, truth, masks)
    for i in range(3):
        a, b = (x[i].permute(1, 2, 0).double().numpy() for x in (truth, made))
        hole = masks[i, 0].bool().numpy()
        assert float(scores["L1"][i]) == pytest.approx(np.abs(a - b).mean(), rel=1e-4)
        assert float(scores["L1_hole"][i]) == pytest.approx(np.abs(a - b)[hole].mean(), rel=1e-4)
        assert float(scores["PSNR"][i]) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), rel=1e-4)
        assert float(scores["hole"][i]) == pytest.approx(hole.mean())
        a, b = (np.pad(x, ((5, 5), (5, 5), (0, 0)), "reflect") for x in (a, b))  # scikit-image leaves out a rim of 5
        ssim = structural_similarity(
            a, b, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert float(scores["SSIM"][i]) == pytest.approx(ssim, abs=1e-4)


def test_a_perfect_picture() -> None:
    truth, _, masks = example()
    scores = score_images(truth, truth, masks)
    assert not scores["L1"].any() and not scores["L1_hole"].any()
    assert scores["SSIM"] == pytest.approx(1, abs=1e-5) and math.isinf(scores["PSNR"][0])


def test_no_hole_no_error() -> None:
    truth, made, masks = example()
    assert not hole_error(made, truth, torch.zeros_like(masks)).any()


def test_the_mean_of_what_is_known() -> None:
    truth, _, masks = example()
    filled = fill_with_mean(truth * (1 - masks), masks)
    hole = masks[0, 0].bool()
    known = truth[0][:, ~hole].mean(1)
    torch.testing.assert_close(filled[0][:, hole], known[:, None].expand(3, int(hole.sum())))
    assert torch.equal(filled[0][:, ~hole], truth[0][:, ~hole])


def test_a_biharmonic_fill_continues_a_slope() -> None:
    """A linear ramp solves the biharmonic equation; and what is hidden is not looked at."""
    ramp = torch.linspace(0.2, 0.8, 20).expand(1, 3, 24, 20)
    masks = torch.zeros(1, 1, 24, 20)
    masks[..., 8:14, 7:12] = 1
    filled = fill_biharmonic(ramp * (1 - masks), masks)
    torch.testing.assert_close(filled, ramp, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("share", "name"), [(0.0, "0-10%"), (0.1, "0-10%"), (0.1001, "10-20%"), (0.5, "40-50%"), (1.0, "50-100%")]
)
def test_bins(share: float, name: str) -> None:
    assert binned(share) == name


RECORDS: list[Record] = [
    {"L1": 0.1, "PSNR": 20.0, "hole": 0.05},
    {"L1": 0.3, "PSNR": 10.0, "hole": 0.15},
    {"L1": 0.5, "PSNR": 30.0, "hole": 0.12, "L1_hole_biharmonic": 0.25},
]


def test_means_over_the_pictures_that_have_a_score() -> None:
    assert means(RECORDS) == pytest.approx({"L1": 0.3, "PSNR": 20.0, "L1_hole_biharmonic": 0.25})


def test_by_size_of_the_hole() -> None:
    scores = by_size(RECORDS)
    assert scores["L1_0-10%"] == pytest.approx(0.1) and scores["PSNR_0-10%"] == pytest.approx(20)
    assert scores["L1_10-20%"] == pytest.approx(0.4) and scores["PSNR_10-20%"] == pytest.approx(20)
    assert scores["L1"] == pytest.approx(0.3) and "L1_20-30%" not in scores and "hole" not in scores
