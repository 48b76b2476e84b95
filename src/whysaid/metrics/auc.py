"""Area under the ROC curve, as a share of pairs.

M items, D weightings of them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.floating]:
    """P(a true item's score > a false one's) + ½ P(they are equal), by ranks (Mann & Whitney 1947).

    Args:
        scores: (M,), finite.
        labels: (M,) bool.
        weights: (…, M) ≥ 0, how often each item counts, as in a bootstrap; None counts each once.

    Returns (…), in [0, 1]; NaN where either label has no weight.
    """
    scores, true = np.asarray(scores, float), np.asarray(labels, bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, float)
    _, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))  # of each run of equal scores
    positive = np.add.reduceat((weights * true)[..., order], starts, -1)
    negative = np.add.reduceat((weights * ~true)[..., order], starts, -1)
    below = negative.cumsum(-1) - negative / 2
    with np.errstate(invalid="ignore"):
        share: NDArray[np.floating] = (positive * below).sum(-1) / (positive.sum(-1) * negative.sum(-1))
    return share
