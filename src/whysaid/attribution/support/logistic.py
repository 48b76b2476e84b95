"""Logistic regression of a few scores on whether something is so.

M items, F scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Logistic:
    """P(true) = σ(bias + Σ weight · score), of scores as they are.

    Attributes:
        weights: F of them.
        bias: in nats.
    """

    weights: Sequence[float]
    bias: float

    def __call__(self, scores: ArrayLike) -> Array:
        """Scores (…, F) → probabilities (…) in [0, 1]."""
        p: Array = expit(np.asarray(scores, float) @ np.asarray(self.weights) + self.bias)
        return p


def fit_logistic(scores: ArrayLike, labels: ArrayLike, penalty: float = 1.0) -> Logistic:
    """The regression of greatest likelihood less ½ · penalty · |weights of standardised scores|².

    Args:
        scores: (M, F), finite.
        labels: (M,) bool; both values occur.
        penalty: ≥ 0; 1 is a normal prior of standard deviation 1.
    """
    x, y = np.asarray(scores, float), np.asarray(labels, float)
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    z = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    kept = np.append(np.full(x.shape[1], penalty), 0.0)  # no penalty on the bias

    def loss(w: Array) -> tuple[float, Array]:
        margin = z @ w
        value = np.logaddexp(0, margin).sum() - (y * margin).sum() + 0.5 * (kept * w * w).sum()
        return float(value), z.T @ (expit(margin) - y) + kept * w

    w = minimize(loss, np.zeros(z.shape[1]), jac=True, method="BFGS").x
    weights = w[:-1] / scale
    return Logistic([float(weight) for weight in weights], float(w[-1] - weights @ mean))
