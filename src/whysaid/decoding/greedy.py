"""Greedy decoding: the most probable word at every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from whysaid.decoding.decoder import Contrast, Decoded, Filter, Stepper
from whysaid.decoding.generate import generate
from whysaid.errors import UserError


@dataclass
class Greedy:
    """One caption per image.

    Args:
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden.
        contrast: what `describe` sets the captioner against, or None.
    """

    max_length: int = 20
    filters: Sequence[Filter] = ()
    contrast: Contrast | None = None
    support: ClassVar[None] = None  # there are no candidates to rank

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise UserError(f"decoding.max_length is {self.max_length}: set it to at least 1")

    @torch.no_grad()
    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = 1, scores = log_probs."""
        return generate(captioner, features, _most_probable, 1, self.max_length, self.filters)


def _most_probable(log_p: Tensor) -> Tensor:
    return log_p.argmax(-1)
