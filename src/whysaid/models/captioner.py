"""The one contract of every captioner: encode, start, step.

Teacher forcing, scheduled sampling, every decoding and every explanation go through `embed`, `drive`, `advance` and
`head`, the four parts of `step`; there is no second forward.

B batch, K rows (captions, beams, samples) per image, N = B·K rows, image-major: row n belongs to image n // K.
T words, V vocabulary, R regions, D encoder features, H hidden, E embedding, A attention width,
G width of the first LSTM's gates.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Explainable, Reading
from whysaid.models.relevance import share

State = tuple[Tensor, ...]
"""Recurrent state: tensors of leading dimension N."""


@dataclass
class Features:
    """All that depends on the image alone, computed once per image.

    values: (B, R, ·) what attention sums. keys: (B, R, A) what attention compares. pooled: (B, ·) the whole image.
    mask: (B, R) bool, True where a region is real, or None when all are.
    """

    values: Tensor
    keys: Tensor
    pooled: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)


class CellOutput(NamedTuple):
    """What one recurrent step leaves: output (N, H) before the vocabulary, attention (N, R), sentinel β (N,), state.

    parts: the summands (N, H) of the output that come from the context and from the hidden state.
    """

    output: Tensor
    attention: Tensor
    sentinel: Tensor | None
    state: State
    parts: tuple[Tensor, ...] = ()


class Step(NamedTuple):
    """logits (N, V); attention (N, R), sums to 1 − β over real regions; sentinel β (N,) or None; state."""

    logits: Tensor
    attention: Tensor
    sentinel: Tensor | None
    state: State


class Unrolled(NamedTuple):
    """A whole teacher-forced caption: logits (N, T, V), attention (N, T, R), sentinel (N, T) or None."""

    logits: Tensor
    attention: Tensor
    sentinel: Tensor | None


def select(state: State, rows: Tensor) -> State:
    """The state of the given rows (M,) int64: beams re-ordered, or each image's state repeated for K rows."""
    return tuple(part.index_select(0, rows) for part in state)


def repeat(state: State, times: int) -> State:
    """The state with each row repeated, image-major: (B, ·) → (B·times, ·)."""
    return state if times == 1 else tuple(part.repeat_interleave(times, 0) for part in state)


def rows(image: Tensor, like: Tensor) -> Tensor:
    """A per-image tensor (B, …) repeated for the rows of `like` (N, …), image-major: (N, …)."""
    times = len(like) // len(image)
    return image if times == 1 else image.repeat_interleave(times, 0)


class Captioner(Explainable):
    """Base of the four captioners. A subclass supplies `project`, `start`, `drive` and `advance`.

    Args:
        encoder: pixels to regions.
        vocab_size: V.
        embed_dim: E.
        output_dim: width of what `advance` gives to the vocabulary layer.
        dropout: probability before the vocabulary layer.
    """

    def __init__(self, encoder: Encoder, vocab_size: int, embed_dim: int, output_dim: int, dropout: float):
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.vocabulary_layer = nn.Linear(output_dim, vocab_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        """Encoder regions (B, R, D) and mask (B, R) → Features."""
        raise NotImplementedError

    def start(self, features: Features) -> State:
        """The state before the first word, one row per image."""
        raise NotImplementedError

    def drive(self, embedded: Tensor) -> Tensor:
        """Embedded words (…, E) → what depends on the word alone (…, G), so that it is batched over T."""
        raise NotImplementedError

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        """One recurrent step on driven words (N, G): all of a step but the vocabulary layer."""
        raise NotImplementedError

    def head(self, output: Tensor) -> Tensor:
        """Outputs (…, H) → logits (…, V)."""
        return share(self.vocabulary_layer(self.dropout(output)))

    def step(self, tokens: Tensor, state: State, features: Features) -> Step:
        """One word further: tokens (N,) int64, N a multiple of the B images of `features`."""
        cell = self.advance(self.drive(self.embed(tokens)), state, features)
        return Step(self.head(cell.output), cell.attention, cell.sentinel, cell.state)

    def unroll(self, tokens: Tensor, features: Features, sampling: float = 0.0) -> Unrolled:
        """Teacher forcing: `step` over given tokens, with embedding and vocabulary products batched over T.

        Args:
            tokens: (N, T) int64 input words, `<start>` first.
            features: of B images, N a multiple of B.
            sampling: scheduled sampling (Bengio et al. 2015): probability, in [0, 1], that an input word after
                `<start>` is replaced by one drawn from the model's own distribution of the step before.
        """
        reading = self.read(self.embed(tokens), features, sampling)
        return Unrolled(self.head(reading.output), reading.attention, reading.sentinel)

    def read(self, embedded: Tensor, features: Features, sampling: float = 0.0) -> Reading:
        """`unroll` without its two ends."""
        state = repeat(self.start(features), len(embedded) // len(features))
        cells: list[CellOutput] = []
        for word in self.drive(embedded).unbind(1):
            if sampling > 0 and cells:
                word = self._sample_input(word, cells[-1].output, sampling)
            cells.append(self.advance(word, state, features))
            state = cells[-1].state
        found = [cell.sentinel for cell in cells if cell.sentinel is not None]
        outputs, attention = (
            torch.stack(parts, 1) for parts in ([c.output for c in cells], [c.attention for c in cells])
        )
        parts = tuple(torch.stack(part, 1) for part in zip(*(cell.parts for cell in cells), strict=True))
        return Reading(outputs, attention, torch.stack(found, 1) if found else None, parts)

    def _sample_input(self, word: Tensor, previous: Tensor, probability: float) -> Tensor:
        with torch.no_grad():
            drawn = self.head(previous).softmax(-1).multinomial(1).squeeze(1)
            replace = torch.rand(len(word), 1, device=word.device) < probability
        return torch.where(replace, self.drive(self.embed(drawn)), word)
