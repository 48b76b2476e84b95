"""How scores of captions of different length are made comparable.

A penalty maps (sum of log-probabilities ≤ 0, length in tokens) to the score; for a given sum it must never fall with
length, which is what lets beam search stop early without changing its result.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from whysaid.errors import UserError

LengthPenalty = Callable[[Tensor, int], Tensor]


@dataclass
class Wu:
    """Σ log p / ((5 + length) / 6)^α: Eq. 14 of Wu et al. 2016, without coverage.

    Args:
        alpha: α ≥ 0; 0 changes nothing, the paper's best are 0.2 to 0.8.
    """

    alpha: float

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise UserError(f"the length penalty's alpha is {self.alpha}: set it to 0 or more")

    def __call__(self, log_probs: Tensor, length: int) -> Tensor:
        return log_probs / ((5 + length) / 6) ** self.alpha


@dataclass
class Average:
    """Σ log p / length."""

    def __call__(self, log_probs: Tensor, length: int) -> Tensor:
        return log_probs / length


def unpenalised(log_probs: Tensor, length: int) -> Tensor:
    """Σ log p, as published captioners rank."""
    return log_probs
