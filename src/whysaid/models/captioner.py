"""The one contract of every captioner: encode, start, step.

Teacher forcing, scheduled sampling, every decoding and every explanation go through `embed`, `advance` and `head`, the
parts of `step`, or through `read`, which is all steps of a caption at once; there is no other forward of any model.

B batch, K rows (captions, beams, samples) per image, N = B·K rows, image-major: row n belongs to image n // K.
T words, V vocabulary, R regions, H width of an output, E embedding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from whysaid.models.explainable import Explainable, Reading
from whysaid.models.step_linear import gathered

State = tuple[Any, ...]
"""What a captioner keeps from word to word: tensors with one row for each of the N captions, in tuples nested at will.

Only the captioner itself, `select`, `repeat` and `example` look inside. A step leaves the state that it is given as it
is, so the same state may be stepped twice. A model without anything to keep still has one tensor in it.
"""


class CellOutput(NamedTuple):
    """What one step leaves: output (N, H) before the vocabulary, attention (N, R), sentinel β (N,), state.

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
    return tuple(select(part, rows) if isinstance(part, tuple) else part.index_select(0, rows) for part in state)


def repeat(state: State, times: int) -> State:
    """The state with each row repeated, image-major: (B, ·) → (B·times, ·)."""
    if times == 1:
        return state
    return tuple(repeat(p, times) if isinstance(p, tuple) else p.repeat_interleave(times, 0) for p in state)


def example(state: State) -> Tensor:
    """Any tensor of the state: on its device, of its kind, with its number of rows."""
    first = state[0]
    return example(first) if isinstance(first, tuple) else first


def rows(image: Tensor, like: Tensor) -> Tensor:
    """A per-image tensor (B, …) repeated for the rows of `like` (N, …), image-major: (N, …)."""
    times = len(like) // len(image)
    return image if times == 1 else image.repeat_interleave(times, 0)


class Captioner(Explainable):
    """Base of all captioners. A subclass supplies `project`, `start`, `advance`, `read` and `head`.

    What `project` gives is a dataclass of tensors with one row per image, whose length is B.

    Attributes:
        vocabulary_layer: the last part of `head`, which gives the logits.
        masks_regions: whether a mask given to `project` hides regions; models of transformers have none for a picture.
    """

    masks_regions: bool = True
    vocabulary_layer: nn.Linear

    def featured(self, make: Callable[["Captioner"], Any]) -> Any:
        """What `make` gives of this captioner; an ensemble's features are those of every member."""
        return make(self)

    def start(self, features: Any) -> State:
        """The state before the first word, one row per image."""
        raise NotImplementedError

    def drive(self, embedded: Tensor) -> Tensor:
        """Embedded words (…, E) → what depends on the word alone, so that it is batched over T."""
        return embedded

    def advance(self, word: Tensor, state: State, features: Any) -> CellOutput:
        """Takes one step on driven words (N, ·): all of a step but its two ends."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State, features: Any, words: Tensor | None = None) -> Step:
        """Takes one word further: tokens (N,) int64, N a multiple of the B images of `features`.

        Logits are those of `words` (W,) int64 alone, where these are given.
        """
        cell = self.advance(self.drive(self.embed(tokens)), state, features)
        logits = self.head(cell.output) if words is None else self.logits_of(cell.output, words)
        return Step(logits, cell.attention, cell.sentinel, cell.state)

    def logits_of(self, output: Tensor, words: Tensor) -> Tensor:
        """Outputs (N, H) → the logits (N, W) of some words (W,) int64 alone, as `head` gives them."""
        return self.head(output)[:, words]

    def unroll(self, tokens: Tensor, features: Any, sampling: float = 0.0) -> Unrolled:
        """Forces the teacher's words: `step` over the tokens, with embedding and vocabulary products batched over T.

        Args:
            tokens: (N, T) int64 input words, `<start>` first.
            features: of B images, N a multiple of B.
            sampling: scheduled sampling (Bengio et al. 2015): probability, in [0, 1], that an input word after
                `<start>` is replaced by one drawn from the model's own distribution of the step before.
        """
        with gathered(self):
            reading = self.read(self.embed(tokens), features, sampling)
        return Unrolled(self.head(reading.output), reading.attention, reading.sentinel)

    def read(self, embedded: Tensor, features: Any, sampling: float = 0.0) -> Reading:
        """Reads words as `unroll` does, without its two ends."""
        raise NotImplementedError

    def draw_inputs(self, output: Tensor, driven: Tensor, probability: float) -> Tensor:
        """Scheduled sampling: driven words (N, ·), some replaced by words drawn from the outputs (N, H) before them."""
        with torch.no_grad():
            drawn = self.head(output).softmax(-1).multinomial(1).squeeze(1)
            replace = torch.rand(len(driven), 1, device=driven.device) < probability
        return torch.where(replace, self.drive(self.embed(drawn)), driven)
