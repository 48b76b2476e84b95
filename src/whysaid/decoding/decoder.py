"""The contract of a decoder: a captioner and the features of a batch in, captions out.

B batch, n captions per image, N rows (image-major), T words, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor

from whysaid.data.batch import Pictured
from whysaid.data.vocabulary import END, PAD, START, Vocabulary
from whysaid.models.captioner import State, Step

Filter = Callable[[Tensor, Tensor], Tensor]
"""(log-probabilities (N, V), words so far (N, t) without `<start>`) → the same tensor, forbidden words set to −inf."""


class Stepper(Protocol):
    """All that a decoder asks of a captioner, an ensemble, or a reweighted captioner."""

    def start(self, features: Any) -> State:
        """Makes the state, one row per image."""

    def step(self, tokens: Tensor, state: State, features: Any) -> Step:
        """Takes one word further, for any whole number of rows per image."""


class Describer(Stepper, Protocol):
    """A captioner or an ensemble, which makes its own features of pictures."""

    def features(self, batch: Pictured) -> Any:
        """What depends on the pictures of a batch alone."""


class Contrast(Protocol):
    """Sets a captioner against itself without the picture."""

    takes_mean: bool
    """Whether captioners must know the mean of their training features."""

    def around(self, model: Any, batch: Pictured) -> tuple[Stepper, Any, Any]:
        """What a decoder takes in place of the model, and of its features of a batch; and these features."""


@dataclass
class Decoded:
    """The captions of a batch, the n of each image best first.

    tokens: (B, n, T) int64 without `<start>`; `<pad>` after `<end>`. A caption that had not ended after the decoder's
        `max_length` tokens is kept as it is, without `<end>`.
    log_probs: (B, n) ≤ 0, the captioner's own log-probability of these tokens, `<end>` included, whatever filter,
        temperature or penalty chose them; under a contrast that of the contrasted distribution.
    scores: (B, n) what the captions are ranked by. −inf, with all tokens `<pad>`, where an image has fewer than n.
    """

    tokens: Tensor
    log_probs: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def trimmed(self) -> "Decoded":
        """Returns the same without the columns that are `<pad>` in every caption."""
        longest = int((self.tokens != PAD).sum(-1).max())
        return Decoded(self.tokens[..., :longest], self.log_probs, self.scores)


class Support(Protocol):
    """Ranks the candidates of a search by what is known of the objects that they name."""

    takes_mean: bool
    """Whether captioners must know the mean of their training features."""

    def of(self, support: Any, vocabulary: Vocabulary) -> Self:
        """The same for the captioner whose support is given."""

    def describe(self, decoder: "Searching", captioner: Describer, batch: Pictured) -> tuple[Decoded, Any]:
        """What `describe` gives."""


class Decoder(Protocol):
    """Writes captions without gradients (`unroll` re-scores where gradients are wanted), and leaves the captioner's
    training mode as it finds it."""

    filters: Sequence[Filter]
    contrast: Contrast | None
    """What `describe` puts around the captioner; calling the decoder itself does without."""
    support: Support | None
    """What `describe` ranks candidates by, of decoders that search; calling the decoder itself does without."""

    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Captions for every image of `features`."""


class Searching(Decoder, Protocol):
    """A decoder that finds more captions than it may return."""

    @property
    def returned(self) -> int:
        """Number of captions per image."""

    def candidates(self) -> "Searching":
        """The same search, which returns all that it finds and ranks none of them again."""


def describe(decoder: Decoder, captioner: Describer, batch: Pictured) -> tuple[Decoded, Any]:
    """Captions of a batch's pictures by a decoder with its contrast, and the features of these pictures.

    Args:
        decoder: how words are chosen.
        captioner: a captioner, or an ensemble.
        batch: B pictures, which are encoded once.
    """
    if decoder.support is not None:
        return decoder.support.describe(cast(Searching, decoder), captioner, batch)
    if decoder.contrast is None:
        features = captioner.features(batch)
        return decoder(captioner, features), features
    stepper, pairs, features = decoder.contrast.around(captioner, batch)
    return decoder(stepper, pairs), features


D = TypeVar("D", bound=Decoder)


def takes_mean(decoder: Decoder) -> bool:
    """Tells whether captioners must know the mean of their training features for a decoding."""
    return any(getattr(part, "takes_mean", False) for part in (decoder.contrast, decoder.support, *decoder.filters))


def with_vocabulary(decoder: D, vocabulary: Vocabulary) -> D:
    """The decoder with each filter that a config left open (`_partial_: true`) closed by the vocabulary."""
    filters = (f(vocabulary=vocabulary) if isinstance(f, partial) else f for f in decoder.filters)
    return replace(decoder, filters=tuple(filters))  # type: ignore[type-var]


def word_log_probs(logits: Tensor, tokens: Tensor, filters: Sequence[Filter]) -> Tensor:
    """Log-probabilities (N, V) of the next word; −inf for `<pad>`, `<start>` and what the filters forbid.

    Allowed words keep the captioner's own value: nothing is renormalised. A row in which the filters forbid
    everything ends its caption, however implausible a contrast finds that.
    """
    log_p = logits.log_softmax(-1)
    log_p[:, PAD] = -torch.inf
    log_p[:, START] = -torch.inf
    if not filters:
        return log_p
    end = log_p[:, END].clamp(min=torch.finfo(log_p.dtype).min)
    for forbid in filters:
        log_p = forbid(log_p, tokens)
    log_p[:, END] = torch.where(log_p.amax(-1) == -torch.inf, end, log_p[:, END])
    return log_p
