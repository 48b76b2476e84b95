"""How well holes are filled: L1, PSNR and SSIM of each picture, over all and by the size of the hole.

B batch, H, W pixels; pixels in [0, 1].
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

BINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
"""Bounds of the shares of a picture that its hole takes, by which scores are told apart."""

BINNED = ("L1", "L1_hole", "PSNR", "SSIM", "LPIPS")

Record = dict[str, float]
"""Scores of one picture, and `hole`: the share of it that was to be filled."""


def score_images(completed: Tensor, truth: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Scores of each picture.

    Args:
        completed, truth: (B, 3, H, W), sides of at least 11 pixels for SSIM.
        masks: (B, 1, H, W), 1 = hole.

    Returns a tensor (B,) for each of L1 and L1_hole (mean |difference| over the picture and over its hole, in [0, 1]; 0
    where there is no hole), PSNR (dB, infinite for equal pictures), SSIM ([−1, 1]) and hole ([0, 1]).
    """
    difference = (completed - truth).abs().mean(1, keepdim=True)
    ssim = structural_similarity_index_measure(completed, truth, data_range=1.0, reduction="none")
    return {
        "L1": difference.mean((1, 2, 3)),
        "L1_hole": hole_error(completed, truth, masks),
        "PSNR": peak_signal_noise_ratio(completed, truth, data_range=1.0, reduction="none", dim=(1, 2, 3)),
        "SSIM": torch.as_tensor(ssim).view(len(completed)),
        "hole": masks.mean((1, 2, 3)),
    }


def hole_error(completed: Tensor, truth: Tensor, masks: Tensor) -> Tensor:
    """Mean |difference| over the hole of each picture: (B, 3, H, W) twice, masks (B, 1, H, W) → (B,) in [0, 1]."""
    difference = ((completed - truth).abs() * masks).sum((1, 2, 3))
    return difference / (completed.shape[1] * masks.sum((1, 2, 3))).clamp(min=1)


def binned(share: float) -> str:
    """The bin of a hole that takes this share of its picture, such as `10-20%`; the upper bound belongs to it."""
    low, high = next((low, high) for low, high in pairwise(BINS) if share <= high)
    return f"{round(100 * low)}-{round(100 * high)}%"


def by_hole(records: Iterable[Record]) -> dict[str, list[int]]:
    """Bin → the places of the records that fall in it."""
    places: dict[str, list[int]] = {}
    for place, record in enumerate(records):
        places.setdefault(binned(record["hole"]), []).append(place)
    return dict(sorted(places.items()))


def means(records: Iterable[Record]) -> dict[str, float]:
    """The mean of each score over the pictures that have it; of `hole`, which is no score, none."""
    values: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(measured)) for name, measured in values.items() if name != "hole"}


def by_size(records: Sequence[Record]) -> dict[str, float]:
    """`means`, and `L1_10-20%` … over the pictures of each bin."""
    scores = means(records)
    for name, places in by_hole(records).items():
        inside = means(records[place] for place in places)
        scores |= {f"{score}_{name}": inside[score] for score in BINNED if score in inside}
    return scores
