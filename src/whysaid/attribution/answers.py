"""The answers to a question that are to be explained, and those that they are explained against.

B images with one question each, S words, T explained answers, V answers.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from whysaid.attribution.targets import Targets
from whysaid.errors import UserError


@dataclass
class Answers(Targets):
    """The explained logits of answers, or differences of two; what `Targets` is to the words of a caption.

    Attributes:
        tokens: (B, S) int64, the question's words, then `<pad>`, whose relevance is 0.
        words: the explained answers: `predicted`, the likeliest one, or (B, T) int64: the right ones, or any others.
        against: (B, T) int64 to explain why `words` *rather than* these, or None.

    Raises:
        UserError: a question without words, or answers that do not fit the questions.
    """

    words: Literal["said", "predicted"] | Tensor = "predicted"
    positions: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.tokens.shape[1] == 0:
            raise UserError("there is nothing to explain: give one question of at least one word per image, as (B, S)")
        if self.words == "said":
            raise UserError("a question does not say its answer: explain the predicted one, or give some")
        for answers in (self.words, self.against):
            if isinstance(answers, Tensor) and answers.shape != (len(self.tokens), len(self.places)):
                raise UserError(
                    f"answers to explain must be (questions, answers), here ({len(self.tokens)}, {len(self.places)}), "
                    f"not {tuple(answers.shape)}"
                )

    @property
    def places(self) -> list[int]:
        """T zeros: every answer is given in the one place after the whole question."""
        return [0] * (self.words.shape[-1] if isinstance(self.words, Tensor) else 1)

    @property
    def context_length(self) -> int:
        """The length of the whole question."""
        return self.tokens.shape[1]

    def inputs(self) -> Tensor:
        """Gives what the model reads (B, S) int64."""
        return self.tokens

    def said(self) -> None:
        """Gives nothing: an answer is the only word."""

    def to(self, device: torch.device) -> "Answers":
        """Makes copies on `device`, usable by autograd even where these tensors were made in inference mode."""
        words = self.words.to(device).clone() if isinstance(self.words, Tensor) else self.words
        against = None if self.against is None else self.against.to(device).clone()
        return Answers(self.tokens.to(device).clone(), words, against)
