"""The words that are to be explained, and those that they are explained against.

B images, N copies of them (a multiple of B, image-major), S words of a caption, T explained words, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from whysaid.data.vocabulary import START
from whysaid.errors import UserError


@dataclass
class Targets:
    """The explained scores: raw logits, or differences of two.

    Attributes:
        tokens: (B, S) int64, the words of each image's caption as decoders return them: without `<start>`, and with
            `<pad>` after `<end>`; the explanation of a `<pad>` means nothing.
        positions: T places in 0 … S − 1, in any order; None explains all S.
        words: the word explained at each place: `said` (the caption's own), `predicted` (the captioner's most likely
            one there), or (B, T) int64.
        against: (B, T) int64 to explain why `words` *rather than* these (difference of the logits), or None.
        prompt: (B, P) int64, what the captioner reads before `<start>`: a question, or a request; P is 0 without one.

    Raises:
        UserError: a place outside of the caption, or words that do not fit the places.
    """

    tokens: Tensor
    positions: Sequence[int] | None = None
    words: Literal["said", "predicted"] | Tensor = "said"
    against: Tensor | None = None
    prompt: Tensor | None = None

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.tokens.shape[1] == 0:
            raise UserError("there is nothing to explain: give at least one word of caption per image, as (B, S)")
        length = self.tokens.shape[1]
        wrong = [position for position in self._said if not 0 <= position < length]
        if wrong or not self._said:
            raise UserError(
                f"the caption has words 0 to {length - 1}: ask for some of these, not for {wrong or 'none'}"
            )
        expected = (len(self.tokens), len(self._said))
        for words in (self.words, self.against):
            if isinstance(words, Tensor) and words.shape != expected:
                raise UserError(f"words to explain must be {expected}, images × places, not {tuple(words.shape)}")

    @property
    def places(self) -> list[int]:
        """Index of the input after which each of the T explained words is said."""
        before = 0 if self.prompt is None else self.prompt.shape[1]
        return [before + position for position in self._said]

    @property
    def _said(self) -> list[int]:
        """Places of the T explained words in the caption."""
        return list(range(self.tokens.shape[1]) if self.positions is None else self.positions)

    @property
    def context_length(self) -> int:
        """Number of inputs that must be read to know all explained scores."""
        return max(self.places) + 1

    def inputs(self) -> Tensor:
        """Gives what the captioner reads (B, P + S) int64, the prompt, then `<start>`; word t follows index P + t."""
        words = pad(self.tokens[:, :-1], (1, 0), value=START)
        return words if self.prompt is None else torch.cat([self.prompt.to(words.device), words], 1)

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (B, T, V) of the explained places → explained scores (B, T)."""
        chosen = logits.gather(2, self.chosen(logits.detach()).unsqueeze(2)).squeeze(2)
        if self.against is None:
            return chosen
        return chosen - logits.gather(2, self.against.to(logits.device).unsqueeze(2)).squeeze(2)

    def chosen(self, logits: Tensor) -> Tensor:
        """Logits (B, T, V) of the explained places → the words that are explained (B, T)."""
        if isinstance(self.words, Tensor):
            return self.words.to(logits.device)
        if self.words == "predicted":
            return logits.argmax(2)
        return self.tokens[:, self._said].to(logits.device)

    def said(self) -> "Targets | None":
        """Gives the words that were said up to the last explained one, all of them to explain; None where none were."""
        length = max(self._said) + 1
        return Targets(self.tokens[:, :length], prompt=self.prompt)

    def to(self, device: torch.device) -> "Targets":
        """Makes copies on `device`, usable by autograd even where these tensors were made in inference mode."""
        words = self.words.to(device).clone() if isinstance(self.words, Tensor) else self.words
        against = None if self.against is None else self.against.to(device).clone()
        prompt = None if self.prompt is None else self.prompt.to(device).clone()
        return Targets(self.tokens.to(device).clone(), self.positions, words, against, prompt)


@dataclass(frozen=True)
class FrozenTargets:
    """The same words wherever the input is moved, `predicted` ones too: scores are linear in the logits.

    Attributes:
        places: the T explained places.
        context_length: how many of the inputs must be read to know all explained scores.
        weights: (B, T, V) of the logits.
    """

    places: list[int]
    context_length: int
    weights: Tensor

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (N, T, V) → explained scores (N, T)."""
        return (self.weights.repeat_interleave(len(logits) // len(self.weights), 0) * logits).sum(2)
