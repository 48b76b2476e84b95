"""The contract of a decoder: a captioner and the features of a batch in, captions out.

B batch, n captions per image, N rows (image-major), T words, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from whysaid.data.vocabulary import END, PAD, START, Vocabulary
from whysaid.models.captioner import State, Step

Filter = Callable[[Tensor, Tensor], Tensor]
"""(log-probabilities (N, V), words so far (N, t) without `<start>`) → the same tensor, forbidden words set to −inf."""


class Stepper(Protocol):
    """All that a decoder asks of a captioner, an ensemble, or a reweighted captioner."""

    def start(self, features: Any) -> State:
        """At least one tensor, one row per image."""

    def step(self, tokens: Tensor, state: State, features: Any) -> Step:
        """One word further, for any whole number of rows per image."""


@dataclass
class Decoded:
    """The captions of a batch, the n of each image best first.

    tokens: (B, n, T) int64 without `<start>`; `<pad>` after `<end>`. A caption that had not ended after the decoder's
        `max_length` tokens is kept as it is, without `<end>`.
    log_probs: (B, n) ≤ 0, the captioner's own log-probability of these tokens, `<end>` included, whatever filter,
        temperature or penalty chose them.
    scores: (B, n) what the captions are ranked by. −inf, with all tokens `<pad>`, where an image has fewer than n.
    """

    tokens: Tensor
    log_probs: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def trimmed(self) -> "Decoded":
        """The same without the columns that are `<pad>` in every caption."""
        longest = int((self.tokens != PAD).sum(-1).max())
        return Decoded(self.tokens[..., :longest], self.log_probs, self.scores)


class Decoder(Protocol):
    """Every decoder runs without gradients (`unroll` re-scores where gradients are wanted) and leaves the captioner's
    training mode as it finds it."""

    filters: Sequence[Filter]

    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Captions for every image of `features`."""


D = TypeVar("D", bound=Decoder)


def with_vocabulary(decoder: D, vocabulary: Vocabulary) -> D:
    """The decoder with each filter that a config left open (`_partial_: true`) closed by the vocabulary."""
    filters = (f(vocabulary=vocabulary) if isinstance(f, partial) else f for f in decoder.filters)
    return replace(decoder, filters=tuple(filters))  # type: ignore[type-var]


def word_log_probs(logits: Tensor, tokens: Tensor, filters: Sequence[Filter]) -> Tensor:
    """Log-probabilities (N, V) of the next word; −inf for `<pad>`, `<start>` and what the filters forbid.

    Allowed words keep the captioner's own value: nothing is renormalised. A row in which the filters forbid
    everything ends its caption.
    """
    log_p = logits.log_softmax(-1)
    log_p[:, PAD] = -torch.inf
    log_p[:, START] = -torch.inf
    if not filters:
        return log_p
    end = log_p[:, END].clone()
    for forbid in filters:
        log_p = forbid(log_p, tokens)
    log_p[:, END] = torch.where(log_p.amax(-1) == -torch.inf, end, log_p[:, END])
    return log_p
