"""Beam search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from whysaid.decoding.decoder import Contrast, Decoded, Filter, Stepper, Support
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
        contrast: what `describe` sets the captioner against, or None.
        support: what `describe` ranks all `width` captions by before it returns the best, or None.
    """

    width: int = 3
    length_penalty: LengthPenalty | None = None
    max_length: int = 20
    filters: Sequence[Filter] = ()
    captions: int | None = None
    contrast: Contrast | None = None
    support: Support | None = None

    def __post_init__(self) -> None:
        penalty = self.length_penalty or unpenalised
        self._search = Search(self.width, 1, 0.0, penalty, self.max_length, self.filters, self.returned)

    @property
    def returned(self) -> int:
        """Number of captions per image."""
        return self.width if self.captions is None else self.captions

    def candidates(self) -> "Beam":
        """The same search, which returns all `width` captions."""
        return replace(self, captions=None, support=None)

    @torch.no_grad()
    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = `captions`."""
        return self._search(captioner, features)
