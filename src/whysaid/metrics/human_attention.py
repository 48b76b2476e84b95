"""How alike maps of attribution and of human attention are: the measures that compare them pixel by pixel.

They are those of the study of VQA explanations on VQA-HAT, whose figures `whysaid.studies.human_attention` repeats.

M maps of one kind, N of another, H, W pixels of a map as it comes, S side of the square they are compared in, P = S².
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn.functional import interpolate

Array = NDArray[np.floating]

EPSILON = 1e-6
"""Added to every divisor of the preprocessing, as published."""

MASKS = ("topk", "value")
"""The two ways to make a mask of a map."""


class Masks(NamedTuple):
    """Membership (M, P) in [0, 1] of each pixel, and its sum (M,)."""

    inside: Array
    size: Array


@dataclass(frozen=True)
class Prepared:
    """Maps ready to be compared, M of them.

    ranks: (M, P) centred, of length 1; all 0 for a constant map. shares: (M, P) ≥ 0, each map's sum is 1, or 0 for a
    constant one. topk, value: their masks.
    """

    ranks: Array
    shares: Array
    topk: Masks
    value: Masks

    def __len__(self) -> int:
        return len(self.ranks)


def squared(maps: ArrayLike, side: int) -> Array:
    """Maps (M, H, W), or one of them (H, W), → (M, S, S) float32 by linear interpolation; what is made smaller is
    averaged."""
    values = torch.from_numpy(np.atleast_3d(np.asarray(maps, np.float32)).reshape(-1, *np.shape(maps)[-2:]))
    if values.shape[1:] != (side, side):
        values = interpolate(values[:, None], (side, side), mode="bilinear", antialias=True)[:, 0]
    resized: Array = values.numpy()
    return resized


def standardised(maps: Array) -> tuple[Array, Array]:
    """Maps (M, P) → in [0, 1] (minimum subtracted, divided by the maximum), and those with mean 0 and deviation 1.

    A constant map is 0 everywhere in both.
    """
    ranged = maps - maps.min(1, keepdims=True)
    ranged /= ranged.max(1, keepdims=True) + EPSILON
    centred = ranged - ranged.mean(1, keepdims=True)
    return ranged, centred / (ranged.std(1, keepdims=True) + EPSILON)


def prepare(maps: ArrayLike, share: float = 0.1, threshold: float = 1.0) -> Prepared:
    """Maps (M, S, S) or (M, P) → what `similarities` compares. Each map is sorted once, whatever it is compared with.

    Args:
        maps: ≥ 0, the larger the more attention; of any scale.
        share: of the pixels in a `topk` mask, in (0, 1]; paper: 0.1. Pixels with the same value at the border share the
            places that are left, so that a constant map is `share` everywhere and no order of pixels matters.
        threshold: a `value` mask is where the standardised map is above this many deviations.
    """
    values = np.asarray(maps)
    values = values.reshape(len(values), -1).astype(values.dtype if values.dtype.kind == "f" else float)
    ranged, normal = standardised(values)
    above = (normal > threshold).astype(values.dtype)
    number = max(1, round(share * values.shape[1]))
    ordered = [_ordered(line) for line in values]
    top = np.stack([_topk(line, number, places) for line, places in zip(values, ordered, strict=True)])
    return Prepared(
        np.stack([_ranks(line, places) for line, places in zip(values, ordered, strict=True)]),
        ranged / (ranged.sum(1, keepdims=True) + EPSILON),
        Masks(top, np.full(len(values), float(number))),
        Masks(above, above.sum(1, dtype=float)),
    )


def similarities(first: Prepared, second: Prepared) -> dict[str, Array]:
    """Every measure of M maps against N others: name → (M, N).

    `spearman`, ρ of the pixels' ranks in [−1, 1], ties sharing theirs, 0 where a map is constant; `intersect` = Σ a·b
    of maps whose sums are 1, 0 where one is constant. Of masks of each kind, `topk_…` and `value_…`:
    `disc_intersect`, pixels in both; `iou`, `dice`, `precision` (share of the first map's mask that lies in the
    second's), `recall` and `f1`, in [0, 1], 0 where nothing is inside. Dice and F1 are one formula; and as both topk
    masks have one size, their precision, recall, F1 and Dice are equal by definition.
    """
    measured: dict[str, Array] = {"spearman": first.ranks @ second.ranks.T, "intersect": first.shares @ second.shares.T}
    for kind in MASKS:
        a, b = getattr(first, kind), getattr(second, kind)
        both: Array = (a.inside @ b.inside.T).astype(float)
        of_a, of_b = np.broadcast_arrays(a.size[:, None], b.size[None])
        measured |= {
            f"{kind}_disc_intersect": both,
            f"{kind}_iou": _ratio(both, of_a + of_b - both),
            f"{kind}_dice": _ratio(2 * both, of_a + of_b),
            f"{kind}_precision": _ratio(both, of_a),
            f"{kind}_recall": _ratio(both, of_b),
            f"{kind}_f1": _ratio(2 * both, of_a + of_b),
        }
    return {name: values.astype(float) for name, values in measured.items()}


OVERLAPS = ("disc_intersect", "iou", "dice", "precision", "recall", "f1")
MEASURES = ("spearman", "intersect", *(f"{kind}_{name}" for kind in MASKS for name in OVERLAPS))
"""Names of all that `similarities` gives, in its order."""


def centre_prior(side: int, width: float = 0.25) -> Array:
    """A map (S, S): a Gaussian around the centre, its deviation `width` sides: where photographers put things."""
    at = (np.arange(side) + 0.5) / side - 0.5
    line = np.exp(-(at**2) / (2 * width**2))
    return np.outer(line, line)


def _ordered(values: Array) -> NDArray[np.intp]:
    """Places (P,) of values from the smallest to the largest."""
    return np.argsort(values)


def _ranks(values: Array, order: NDArray[np.intp]) -> Array:
    """Centred ranks of values (P,), equal ones sharing the mean of theirs, divided by their length."""
    ordered = values[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(values)]])
    mean = (starts[:-1] + starts[1:] - len(values)) / 2
    length = np.sqrt(np.sum(mean**2 * np.diff(starts)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(mean / length if length else mean, np.diff(starts))
    return ranks


def _topk(values: Array, number: int, order: NDArray[np.intp]) -> Array:
    """Membership (P,) of the largest `number` of values (P,)."""
    border = values[order[-number]]
    above, tied = values > border, values == border
    left = (number - np.count_nonzero(above)) / np.count_nonzero(tied)
    return (above + tied * left).astype(values.dtype)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
