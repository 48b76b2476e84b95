"""What a caption may not say next.

A filter maps log-probabilities (N, V) and the words so far (N, t), without `<start>`, to the same tensor with the
forbidden words set to −inf in place. `word_log_probs` sees to it that a row never loses every word. No filter is a
dataclass: in a list of a configuration, Hydra would turn it into a configuration again.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from whysaid.data.vocabulary import END, UNK, Vocabulary
from whysaid.errors import UserError


class NoRepeat:
    """Forbids a word twice in a row."""

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        return log_p.scatter_(1, tokens[:, -1:], -torch.inf)


class NoRepeatedNgram:
    """Forbids n words in the same order twice in a caption.

    Args:
        n: at least 1; 1 forbids saying any word twice, 3 is usual.
    """

    def __init__(self, n: int = 3):
        if n < 1:
            raise UserError(f"the repeated n-gram filter has n = {n}: set it to at least 1")
        self.n = n

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        if length < self.n:
            return log_p
        ngrams = tokens.unfold(1, self.n, 1)
        begun = (ngrams[:, :, :-1] == tokens[:, None, length - self.n + 1 :]).all(-1)
        cost = torch.zeros_like(begun, dtype=log_p.dtype).masked_fill(begun, -torch.inf)
        return log_p.scatter_add_(1, ngrams[:, :, -1], cost)


class NoUnknown:
    """Forbids `<unk>`."""

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        log_p[:, UNK] = -torch.inf
        return log_p


class MinimumLength:
    """Forbids `<end>` before a number of words.

    Args:
        words: that a caption has at least, `<end>` not counted.
    """

    def __init__(self, words: int):
        self.words = words

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        if tokens.shape[1] < self.words:
            log_p[:, END] = -torch.inf
        return log_p


class NoBadEnding:
    """Forbids `<end>` right after a function word ("a man on a").

    Args:
        words: that no caption may end in; those outside the vocabulary are left out.
        vocabulary: of the captioner.
    """

    def __init__(self, words: Iterable[str], vocabulary: Vocabulary):
        unended = set(words)
        places = [place for place, text in enumerate(vocabulary.texts) if text in unended]
        self.indices = torch.tensor(places, dtype=torch.int64)

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        if tokens.shape[1] > 0:
            bad = torch.isin(tokens[:, -1], self.indices.to(tokens.device))
            log_p[:, END].masked_fill_(bad, -torch.inf)
        return log_p
