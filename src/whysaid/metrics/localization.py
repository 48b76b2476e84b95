"""How well a heat map finds an object.

Maps E are (…, H, W), signed, of any scale; regions are (H, W) bool with at least one pixel, or N of them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]
Region = NDArray[np.bool_]


def correctness(heat: Array, inside: Region, thresholds: ArrayLike = 0.0) -> Array:
    """Share of what speaks for a word that lies inside the object: Eq. 9 of Sun et al. 2020, after Liu et al. 2017.

    Args:
        heat: (…, H, W); E_p = max(E, 0) divided by its largest value is compared with the thresholds.
        inside: (H, W).
        thresholds: (K,) or one number, in [0, 1): only what is above counts, as Fig. 3 varies it.

    Returns (…, K) or (…) in [0, 1]; 0 where nothing is above a threshold.
    """
    positive = np.clip(heat, 0, None)
    levels = np.asarray(thresholds, float)
    limits = positive.max((-2, -1), keepdims=True)[..., None] * levels.reshape(-1)  # (…, 1, 1, K)
    kept = np.where(positive[..., None] > limits, positive[..., None], 0.0)
    total, within = kept.sum((-3, -2)), kept[..., inside, :].sum(-2)
    shares = np.divide(within, total, out=np.zeros_like(total), where=total > 0)
    return shares.reshape(shares.shape[:-1] + levels.shape)


def best_correctness(heat: Array, boxes: Region, thresholds: ArrayLike = 0.0) -> Array:
    """`correctness` in that one of the boxes (N, H, W) which holds most, chosen anew for each map and threshold."""
    best: Array = np.max([correctness(heat, box, thresholds) for box in boxes], 0)
    return best


def pointing_game(heat: Array, inside: Region) -> Array:
    """Whether the largest value lies inside (Zhang et al. 2016): (…), 0 or 1; where several are largest, their share.

    0 where nothing is positive: such a map points nowhere.
    """
    largest = heat.max((-2, -1), keepdims=True)
    peaks = (heat == largest) & (largest > 0)
    return peaks[..., inside].sum(-1) / np.maximum(peaks.sum((-2, -1)), 1)


def mass_accuracy(heat: Array, inside: Region) -> Array:
    """Share of positive relevance within an exact mask (Arras et al. 2022): (…) in [0, 1], 0 where none is positive."""
    return correctness(heat, inside)


def rank_accuracy(heat: Array, inside: Region) -> Array:
    """Share of the K largest values that lie within a mask of K pixels (Arras et al. 2022): (…) in [0, 1].

    Equal values at the border of the K are shared out: a constant map scores the mask's share of the image.
    """
    number = int(inside.sum())
    values = heat.reshape(*heat.shape[:-2], -1)
    border = -np.partition(-values, number - 1, -1)[..., number - 1 : number]  # the K-th largest
    above, tied, within = values > border, values == border, inside.reshape(-1)
    room = number - above.sum(-1)
    shared = room * tied[..., within].sum(-1) / tied.sum(-1)
    return (above[..., within].sum(-1) + shared) / number
