"""How often the n-grams of captions occur in themselves and in others, for whole batches at once.

B images, n captions of each, K references of each, T words of a caption, U words of a reference.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whysaid.data.captions.document_frequency import MAX_ORDER
from whysaid.data.vocabulary import PAD
from whysaid.objectives.references import Tokens

_NOTHING = -1  # equals no word and no padding

Counts = NDArray[np.uint8]


class Matches(NamedTuple):
    """How often the n-gram of one order o occurs that begins at each of the T − o + 1 places of a caption.

    Attributes:
        own: (B, n, T − o + 1) in the caption itself; 0 at places that reach beyond its end.
        in_references: (B, n, K, T − o + 1) in each reference.
    """

    own: Counts
    in_references: Counts


def matches(captions: Tokens, references: Tokens) -> list[Matches]:
    """Counts for the orders 1 … 4, of captions (B, n, T) and references (B, K, U) of at most 255 words."""
    in_references = _occurrences(captions[:, :, None], references[:, None])
    return [Matches(own, counts) for own, counts in zip(repeats(captions), in_references, strict=True)]


def repeats(captions: Tokens) -> list[Counts]:
    """Counts as in `Matches.own` of captions (…, T) for the orders 1 … 4."""
    return _occurrences(captions, captions)


def _occurrences(captions: Tokens, others: Tokens) -> list[Counts]:
    """Counts how often the n-gram at each place of captions (…, T) occurs in the others (…, U): (…, T − o + 1) each.

    Two n-grams are equal where their words are. Places come first and pairs of captions last in memory: quick to
    compare and to sum.
    """
    pairs = np.broadcast_shapes(captions.shape[:-1], others.shape[:-1])
    words = _places_first(captions, pairs)
    word = _places_first(np.where(others == PAD, _NOTHING, others), pairs)[:, None] == words
    equal, counts = word, []
    for order in range(MAX_ORDER):
        if order > 0:
            equal = equal[:-1, :-1] & word[order:, order:]
        number = np.add.reduce(equal.view(np.uint8), axis=0, dtype=np.uint8)
        counts.append(np.moveaxis(number.reshape(-1, *pairs), 0, -1))
    return counts


def _places_first(captions: Tokens, pairs: tuple[int, ...]) -> Tokens:
    """Captions (…, T) for each pair → (T, all pairs)."""
    length = captions.shape[-1]
    return np.moveaxis(np.broadcast_to(captions, (*pairs, length)), -1, 0).reshape(length, -1)


def lengths(captions: Tokens) -> NDArray[np.intp]:
    """Counts the words (…) of captions (…, T), `<end>` included."""
    return np.count_nonzero(captions != PAD, axis=-1)
