"""Beam search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from whysaid.decoding.decoder import Decoded, Filter, Stepper
from whysaid.decoding.length_penalty import LengthPenalty, unpenalised
from whysaid.decoding.search import Search


@dataclass
class Beam:
    """The best captions that a beam of `width` live hypotheses meets (see `search`). Width 1 without length
    penalty is greedy decoding.

    Args:
        width: K, live hypotheses per image.
        length_penalty: `Wu`, `Average`, or None: captions are ranked by the sum of log-probabilities.
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden.
        captions: n, returned per image, at most `width`; None returns `width`. They are the best of the same search
            however many are asked for; fewer are certain sooner.
    """

    width: int = 3
    length_penalty: LengthPenalty | None = None
    max_length: int = 20
    filters: Sequence[Filter] = ()
    captions: int | None = None

    def __post_init__(self) -> None:
        penalty = self.length_penalty or unpenalised
        captions = self.width if self.captions is None else self.captions
        self._search = Search(self.width, 1, 0.0, penalty, self.max_length, self.filters, captions)

    @torch.no_grad()
    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = `captions`."""
        return self._search(captioner, features)
