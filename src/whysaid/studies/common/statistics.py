"""How sure a study's number is, and whether two methods differ.

Words of one image are not independent, so images are what is drawn again and what is paired.
M words, G images.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wilcoxon

Array = NDArray[np.floating]

LEVEL = 0.95
"""Of every interval."""

DRAWS = 2000
"""Bootstrap samples behind every interval."""


LINES = "lines: 95 % intervals, bootstrap over images."
BANDS = "bands: 95 % intervals of the mean, bootstrap over images."
"""What figures say of their intervals."""


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    value: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Three cells of a row: name, name_low, name_high."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def draws_of_images(number: int, seed: int) -> Array:
    """(D + 1, G) how often each of G images counts: once each in the first row, then as drawn with replacement."""
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=DRAWS)
    return np.vstack([np.ones(number), drawn]).astype(float)


def draws_of_words(images: ArrayLike, seed: int) -> Array:
    """(D + 1, M) how often each of M words counts when its image, one of `images` (M,), is drawn; the first row as they
    are."""
    _, place = np.unique(np.asarray(images), return_inverse=True)
    return draws_of_images(int(place.max()) + 1, seed)[:, place]


def drawn_interval(draws: ArrayLike) -> Interval:
    """The first of D + 1 values, and the 95 % percentile interval of the others; NaN where the value is."""
    values = np.asarray(draws, float)
    if np.isnan(values[0]):
        return Interval(np.nan, np.nan, np.nan)
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))


def mean_interval(values: ArrayLike, images: ArrayLike, seed: int = 0) -> Interval:
    """The mean over words with a 95 % percentile bootstrap interval over images (Efron 1979).

    Args:
        values: (M,) at least one.
        images: (M,) id of each word's image.
        seed: of the draws.
    """
    values = np.asarray(values, float)
    sums, counts = _per_image(values, images)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)  # how often each image is drawn
    low, high = np.quantile(times @ sums / (times @ counts), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def mean_bands(values: ArrayLike, images: ArrayLike, seed: int = 0) -> tuple[Array, Array, Array]:
    """The means (K,) of curves (M, K) of M words, and the ends of `mean_interval` at each of the K places."""
    curves, counts = np.asarray(values, float), draws_of_words(images, seed)
    drawn = counts[1:] @ curves / counts[1:].sum(1, keepdims=True)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return curves.mean(0), low, high


def paired_p(a: ArrayLike, b: ArrayLike, images: ArrayLike) -> float:
    """p of Wilcoxon's signed-rank test, two-sided, on the difference of two methods' means in each image.

    1 where they do not differ in any image.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    sums, counts = _per_image(difference, images)
    means = sums / counts
    return float(wilcoxon(means).pvalue) if means.any() else 1.0


def bootstrapped_rank_correlation(a: ArrayLike, b: ArrayLike, images: ArrayLike, seed: int = 0) -> Interval:
    """Spearman's ρ with a 95 % percentile bootstrap interval over images; 0 where one of the two never varies.

    Args:
        a, b: (M,) at least one; equal values share the mean of their ranks.
        images: (M,) id of the image that each value belongs to.
        seed: of the draws.
    """
    _, place = np.unique(np.asarray(images), return_inverse=True)
    number = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    times = rng.multinomial(number, np.full(number, 1 / number), size=DRAWS)
    weights = np.vstack([np.ones(number), times])[:, place]  # how often each value counts: once, then as drawn
    x, y = _ranks(np.asarray(a, float), weights), _ranks(np.asarray(b, float), weights)
    total = weights.sum(1, keepdims=True)
    x, y = (ranks - (weights * ranks).sum(1, keepdims=True) / total for ranks in (x, y))
    spread = np.sqrt((weights * x * x).sum(1) * (weights * y * y).sum(1))
    product = (weights * x * y).sum(1)
    rho = np.divide(product, spread, out=np.zeros_like(product), where=spread > 1e-9)
    low, high = np.quantile(rho[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(rho[0]), float(low), float(high))


def _ranks(values: Array, weights: Array) -> Array:
    """Ranks (K, M) of values (M,), of which each counts as often as K rows of weights (K, M) say."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.empty(weights.shape)
    ranks[:, order] = (counts.cumsum(1) - counts / 2)[:, group]
    return ranks


def holm(p: Sequence[float]) -> list[float]:
    """p-values of a family of tests, corrected by Holm 1979 so that any false one among them has the stated chance."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def compare(scores: Mapping[str, ArrayLike], reference: str, images: ArrayLike) -> dict[str, float | None]:
    """p of each method against the reference on the same words, Holm-corrected; None for the reference itself.

    Args:
        scores: method → (M,).
        reference: one of them.
        images: (M,) id of each word's image.
    """
    others = [name for name in scores if name != reference]
    p = holm([paired_p(scores[name], scores[reference], images) for name in others])
    return {reference: None, **dict(zip(others, p, strict=True))}


def _per_image(values: Array, images: ArrayLike) -> tuple[Array, Array]:
    """Sum and number of values of each image (G,)."""
    _, place = np.unique(np.asarray(images), return_inverse=True)
    return np.bincount(place, values).astype(float), np.bincount(place).astype(float)
