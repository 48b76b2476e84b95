"""Whether probabilities are as often right as they say.

M items, K bins, D weightings.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10
"""Bins of equal width on [0, 1]."""


class Bin(NamedTuple):
    """Items with probabilities in [low, high): how many, their mean probability, and the share that is true."""

    low: float
    high: float
    items: int
    probability: float
    true: float


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> list[Bin]:
    """The points of a reliability diagram; empty bins are left out.

    Args:
        probabilities: (M,) in [0, 1].
        labels: (M,) bool.
        bins: K of equal width; the last holds 1 too.
    """
    p, true, place = _binned(probabilities, labels, bins)
    points = []
    for number in np.unique(place):
        inside = place == number
        share = float(p[inside].mean()), float(true[inside].mean())
        points.append(Bin(number / bins, (number + 1) / bins, int(inside.sum()), *share))
    return points


def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, bins: int = BINS
) -> NDArray[np.floating]:
    """The expected calibration error of Guo et al. 2017: the mean over items of |share true − mean p| of their bin.

    Args:
        probabilities: (M,) in [0, 1].
        labels: (M,) bool.
        weights: (…, M) ≥ 0, how often each item counts, as in a bootstrap; None counts each once.
        bins: K of equal width.

    Returns (…), in [0, 1]; NaN where nothing has weight.
    """
    p, true, place = _binned(probabilities, labels, bins)
    weights = np.ones(len(p)) if weights is None else np.asarray(weights, float)
    gaps = weights * (true - p)
    sums = np.stack([np.abs(gaps[..., place == number].sum(-1)) for number in range(bins)], -1)
    total = weights.sum(-1)
    error: NDArray[np.floating] = np.divide(sums.sum(-1), total, out=np.full_like(total, np.nan), where=total > 0)
    return error


def _binned(
    probabilities: ArrayLike, labels: ArrayLike, bins: int
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.integer]]:
    p, true = np.asarray(probabilities, float), np.asarray(labels, float)
    return p, true, np.minimum((p * bins).astype(int), bins - 1)
