"""Which object a word completes the name of, after the words so far.

N captions, t words so far, V vocabulary, P phrases of one length L.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import Vocabulary


class Phrases(NamedTuple):
    """Phrases of L words: before (P, L − 1) and last (P,), their words; category (P,), what they name, `NOTHING` where
    they only seem to (`toilet paper`)."""

    before: Tensor
    last: Tensor
    category: Tensor


NOTHING = -1
"""In place of a category."""


class ObjectEndings:
    """Tells of every word of a vocabulary which object would be named if it came next.

    Of a phrase it is the last word: `dog` of `hot dog`. A word is taken for what it is after the words so far, whatever
    a later word may make of it.

    Args:
        objects: the table of object words.
        vocabulary: V words.

    Attributes:
        categories: of objects, in the order of the table.
    """

    def __init__(self, objects: ObjectWords, vocabulary: Vocabulary):
        self.categories = objects.categories
        place = {category: index for index, category in enumerate(objects.categories)}
        named = (objects.located(word) for word in vocabulary.words)
        self.alone = torch.tensor([place[found[-1].category] if found else NOTHING for found in named])
        by_length: dict[int, list[tuple[list[int], int]]] = {}
        for form, category in objects.forms.items():
            if len(form) > 1 and all(word in vocabulary for word in form):
                indices = [vocabulary.index[word] for word in form]
                by_length.setdefault(len(form), []).append((indices, place[category] if category else NOTHING))
        self.phrases = {length: _phrases(by_length[length]) for length in sorted(by_length)}

    def __call__(self, said: Tensor) -> Tensor:
        """Words so far (N, t), without `<start>` → (N, V) int64, places in `categories` or
        `NOTHING`; rows may share their memory."""
        ends = self.alone.to(said.device).expand(len(said), -1)
        for length, phrases in self.phrases.items():  # the longest last: it says what the words mean
            before, last, category = (part.to(said.device) for part in phrases)
            if said.shape[1] < length - 1:
                break
            rows, which = (said[:, None, 1 - length :] == before).all(-1).nonzero(as_tuple=True)
            if len(rows):
                ends = ends.index_put((rows, last[which]), category[which])
        return ends


def _phrases(entries: list[tuple[list[int], int]]) -> Phrases:
    words = torch.tensor([indices for indices, _ in entries])
    return Phrases(words[:, :-1], words[:, -1], torch.tensor([category for _, category in entries]))
