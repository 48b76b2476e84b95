"""Scores of captions under draws of images, the same draws for all rows, so that their differences are paired.

G images, D draws, W object words, K captions of each image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from whysaid.metrics.hallucination import Record

Array = NDArray[np.floating]


class Statistic(Protocol):
    """A score of captions of G images."""

    def __call__(self, times: Array) -> Array:
        """How often each image counts, (…, G) → the score, (…); NaN where it is of nothing."""


@dataclass(frozen=True)
class Ratio:
    """Σ over images of the numerators (G,), divided by Σ of the denominators (G,)."""

    numerators: Array
    denominators: Array

    def __call__(self, times: Array) -> Array:
        return _divided(times @ self.numerators, times @ self.denominators)


@dataclass(frozen=True)
class MeanPrecision:
    """The mean over W object words of true (G, W) by predicted (G, W); words that no drawn image has are left out."""

    true: Array
    predicted: Array

    def __call__(self, times: Array) -> Array:
        precision = _divided(times @ self.true, times @ self.predicted)
        return _divided(np.nansum(precision, -1), np.isfinite(precision).sum(-1))


def _divided(numerators: Array, denominators: Array) -> Array:
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    return np.divide(numerators, denominators, out=np.full_like(numerators, np.nan), where=denominators != 0)


class ScoredCaptions(NamedTuple):
    """One caption of each of G images: their `caption_records`, in one order, and metric → G scores in that order."""

    records: Sequence[Record]
    scores: Mapping[str, Sequence[float]]


def pooled_statistics(members: Sequence[ScoredCaptions], min_count: int) -> dict[str, Statistic]:
    """CHAIRi, CHAIRs, object_recall, object_mAP, and the mean of each further score, of K captions of each image.

    Args:
        members: K of them, of the same images in the same order.
        min_count: captions that predict a word before it enters object_mAP.
    """
    scores: dict[str, Statistic] = {
        name: _mean(np.array([member.scores[name] for member in members]))
        for name in members[0].scores
        if all(name in member.scores for member in members)
    }
    return _object_statistics([member.records for member in members], min_count) | scores


def _object_statistics(members: Sequence[Sequence[Record]], min_count: int) -> dict[str, Statistic]:
    names = sorted({name for records in members for record in records for name in record["objects"]})
    place, images = {name: i for i, name in enumerate(names)}, len(members[0])
    mentions, wrong, recalled, present = np.zeros((4, images))
    true, predicted = np.zeros((2, images, len(names)))
    for records in members:
        for i, record in enumerate(records):
            mentions[i] += len(record["objects"])
            wrong[i] += len(record["hallucinated"])
            recalled[i] += len(set(record["supported"]))
            present[i] += len(record["present"])
            predicted[i, [place[name] for name in set(record["objects"])]] += 1
            true[i, [place[name] for name in set(record["supported"])]] += 1
    often = predicted.sum(0) >= max(min_count, 1)
    return {
        "CHAIRi": Ratio(wrong, mentions),
        "CHAIRs": _mean(np.array([[bool(r["hallucinated"]) for r in records] for records in members])),
        "object_recall": Ratio(recalled, present),
        "object_mAP": MeanPrecision(true[:, often], predicted[:, often]),
    }


def _mean(values: Array) -> Ratio:
    """The mean of K values of each image (K, G)."""
    return Ratio(values.sum(0, dtype=float), np.full(values.shape[1], float(len(values))))
