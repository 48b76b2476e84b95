"""What a regression says of items of images that it has not seen.

M items, F scores.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whysaid.attribution.support.logistic import fit_logistic


def held_out(
    scores: ArrayLike, labels: ArrayLike, images: ArrayLike, penalty: float, folds: int, seed: int
) -> NDArray[np.floating]:
    """The probability (M,) of each item by a logistic regression on the items of other images.

    Args:
        scores: (M, F), finite.
        labels: (M,) bool.
        images: (M,) id of each item's image.
        penalty: as of `fit_logistic`.
        folds: into which images are divided.
        seed: of that.
    """
    x, y = np.asarray(scores, float), np.asarray(labels, bool)
    unique, place = np.unique(np.asarray(images), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(unique))[place] % folds
    p = np.empty(len(x))
    for number in range(folds):
        inside = fold == number
        if inside.any():
            known = y[~inside]
            p[inside] = fit_logistic(x[~inside], known, penalty)(x[inside]) if len(set(known)) > 1 else 0.5
    return p
