"""What a caption may not say next.

A filter maps log-probabilities (N, V) and the words so far (N, t), without `<start>`, to the same tensor with the
forbidden words set to −inf in place. `word_log_probs` sees to it that a row never loses every word.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from whysaid.data.vocabulary import END, UNK, Vocabulary
from whysaid.errors import UserError


class NoRepeat:
    """No word twice in a row."""

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        return log_p.scatter_(1, tokens[:, -1:], -torch.inf)


@dataclass
class NoRepeatedNgram:
    """No n words in the same order twice in a caption.

    Args:
        n: at least 1; 1 forbids saying any word twice, 3 is usual.
    """

    n: int = 3

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UserError(f"the repeated n-gram filter has n = {self.n}: set it to at least 1")

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        if length < self.n:
            return log_p
        ngrams = tokens.unfold(1, self.n, 1)
        begun = (ngrams[:, :, :-1] == tokens[:, None, length - self.n + 1 :]).all(-1)
        cost = torch.zeros_like(begun, dtype=log_p.dtype).masked_fill(begun, -torch.inf)
        return log_p.scatter_add_(1, ngrams[:, :, -1], cost)


class NoUnknown:
    """No `<unk>`."""

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        log_p[:, UNK] = -torch.inf
        return log_p


@dataclass
class MinimumLength:
    """No `<end>` before a number of words.

    Args:
        words: that a caption has at least, `<end>` not counted.
    """

    words: int

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        if tokens.shape[1] < self.words:
            log_p[:, END] = -torch.inf
        return log_p


class NoBadEnding:
    """No `<end>` right after a function word ("a man on a").

    Args:
        words: that no caption may end in; those outside the vocabulary are left out.
        vocabulary: of the captioner.
    """

    def __init__(self, words: Iterable[str], vocabulary: Vocabulary):
        self.indices = torch.tensor([vocabulary.index[word] for word in words if word in vocabulary], dtype=torch.int64)

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        if tokens.shape[1] > 0:
            bad = torch.isin(tokens[:, -1], self.indices.to(tokens.device))
            log_p[:, END].masked_fill_(bad, -torch.inf)
        return log_p
