"""Diverse beam search: Vijayakumar et al. 2016, with Hamming diversity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from whysaid.decoding.decoder import Contrast, Decoded, Filter, Stepper, Support
from whysaid.decoding.length_penalty import LengthPenalty, unpenalised
from whysaid.decoding.search import Search


@dataclass
class DiverseBeam:
    """Beams that avoid each other's words.

    At each step the groups choose in turn, and a word (`<end>` too) costs a group λ for every time that earlier
    groups have chosen it at this step. These costs stay in a hypothesis's score, so `scores` are
    log_probs − λ · (number of such coincidences), before the length penalty.

    Args:
        groups: G; the paper's best is one hypothesis in each.
        width: live hypotheses of each group; G · width captions are returned.
        penalty: λ ≥ 0, in nats; 0.2 to 0.8 in the paper, 0 makes all groups the same.
        length_penalty: `Wu`, `Average`, or None.
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden.
        contrast: what `describe` sets the captioner against, or None.
        support: what `describe` ranks the captions by, or None.
    """

    groups: int = 3
    width: int = 1
    penalty: float = 0.5
    length_penalty: LengthPenalty | None = None
    max_length: int = 20
    filters: Sequence[Filter] = ()
    contrast: Contrast | None = None
    support: Support | None = None

    def __post_init__(self) -> None:
        penalty = self.length_penalty or unpenalised
        self._search = Search(
            self.width, self.groups, self.penalty, penalty, self.max_length, self.filters, captions=self.width
        )

    @property
    def returned(self) -> int:
        """Number of captions per image."""
        return self.groups * self.width

    def candidates(self) -> "DiverseBeam":
        """The same search, whose captions stay in its order."""
        return replace(self, support=None)

    @torch.no_grad()
    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = G · `width`."""
        return self._search(captioner, features)
