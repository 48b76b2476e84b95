"""Scores of questions that are answered by yes or no, as POPE reports them (Li et al. 2023).

Q questions, D weightings of them.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]


def poll_scores(right: ArrayLike, said: ArrayLike, weights: ArrayLike) -> Mapping[str, Array]:
    """Accuracy, precision, recall and F1 of yes, and the share of yes among the answers.

    Args:
        right, said: (Q,) bool, whether yes is the right answer, and whether it was given.
        weights: (D, Q) ≥ 0, how often each question counts, as in a bootstrap.

    Returns:
        Name → (D,), in [0, 1]; NaN where there is nothing to divide by.
    """
    yes, answered, weights = np.asarray(right, bool), np.asarray(said, bool), np.asarray(weights, float)
    hits, total = weights @ (yes & answered), weights.sum(1)
    answered_yes, truly_yes = weights @ answered, weights @ yes
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (weights @ (yes == answered)) / total,
            "precision": hits / answered_yes,
            "recall": hits / truly_yes,
            "F1": 2 * hits / (answered_yes + truly_yes),
            "yes": answered_yes / total,
        }
