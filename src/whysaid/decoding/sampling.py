"""Captions drawn at random: from the whole distribution, its k best words, or its nucleus."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from whysaid.decoding.decoder import Contrast, Decoded, Filter, Stepper
from whysaid.decoding.generate import generate
from whysaid.errors import UserError


@dataclass(kw_only=True)
class Sampler(ABC):
    """Independent samples, drawn with torch's global generator (set by `torch.manual_seed`).

    Args:
        samples: n, captions per image.
        temperature: > 0; log-probabilities are divided by it. Below 1 sharper, above 1 flatter.
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden, before the distribution is truncated.
        contrast: what `describe` sets the captioner against, or None.
    """

    samples: int = 1
    temperature: float = 1.0
    max_length: int = 20
    filters: Sequence[Filter] = ()
    contrast: Contrast | None = None
    support: ClassVar[None] = None  # there are no candidates to rank

    def __post_init__(self) -> None:
        if min(self.samples, self.max_length) < 1:
            raise UserError("decoding.samples and decoding.max_length: set both to at least 1")
        if not self.temperature > 0:
            raise UserError(f"decoding.temperature is {self.temperature}: set it above 0, or use decoding=greedy")

    @torch.no_grad()
    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = `samples` (a caption may come up twice), scores = log_probs."""
        return generate(captioner, features, self._choose, self.samples, self.max_length, self.filters)

    def _choose(self, log_p: Tensor) -> Tensor:
        return self.draw(log_p / self.temperature)

    @abstractmethod
    def draw(self, logits: Tensor) -> Tensor:
        """Logits (N, V), −inf where forbidden → words (N,)."""


@dataclass
class Multinomial(Sampler):
    """Draws each word with its own probability."""

    def draw(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1).multinomial(1).squeeze(1)


@dataclass
class TopK(Sampler):
    """Draws among the k most probable words (Fan et al. 2018), renormalised.

    Args:
        k: words, at least 1.
    """

    k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1:
            raise UserError(f"decoding.k is {self.k}: set it to at least 1")

    def draw(self, logits: Tensor) -> Tensor:
        best, words = logits.topk(min(self.k, logits.shape[1]))
        return words.gather(1, best.softmax(-1).multinomial(1)).squeeze(1)


@dataclass
class Nucleus(Sampler):
    """Draws among the fewest words that together have at least probability p (Holtzman et al. 2020, Eq. 2–3).

    Args:
        p: in (0, 1].
    """

    p: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.p <= 1:
            raise UserError(f"decoding.p is {self.p}: set it above 0 and at most 1")

    def draw(self, logits: Tensor) -> Tensor:
        probabilities, words = logits.softmax(-1).sort(descending=True)
        before = probabilities.cumsum(-1) - probabilities
        # The most probable word always stays: nothing comes before it.
        nucleus = probabilities.masked_fill(before >= self.p, 0)
        return words.gather(1, nucleus.multinomial(1)).squeeze(1)
