"""The reference captions that samples are rewarded against, as vocabulary indices.

B images, n samples of each, K references of each, T words of a sample, U words of a reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.data.captions import words
from src.data.vocabulary import PAD, Vocabulary
from src.errors import UserError

Tokens = NDArray[np.int32]
"""Captions without `<start>`, `<end>` a word like any other, `<pad>` behind it."""


@dataclass
class Sampled:
    """What rewards judge.

    ids: of the B images. tokens: (B, n, T). references: (B, K, U), all `<pad>` where an image has fewer than K.
    """

    ids: Sequence[int]
    tokens: Tokens
    references: Tokens


class References:
    """All reference captions of each image, encoded as the training captions are, each image's when first needed.

    Args:
        captions: image id → its captions as written.
        vocabulary: encodes them.
        max_words: longer captions are cut and then have no `<end>`.
    """

    def __init__(self, captions: Mapping[int, Sequence[str]], vocabulary: Vocabulary, max_words: int | None = None):
        self.captions, self.vocabulary, self.max_words = captions, vocabulary, max_words
        self._encoded: dict[int, list[list[int]]] = {}

    def __call__(self, ids: Sequence[int]) -> Tokens:
        """(B, K, U) the references of images, K and U the largest among them; UserError where an image has none."""
        encoded = [self._of(image) for image in ids]
        shape = len(ids), max(map(len, encoded)), max(len(tokens) for captions in encoded for tokens in captions)
        padded = np.full(shape, PAD, np.int32)
        for rows, captions in zip(padded, encoded, strict=True):
            for row, tokens in zip(rows, captions, strict=False):
                row[: len(tokens)] = tokens
        return padded

    def _of(self, image: int) -> list[list[int]]:
        if image not in self._encoded:
            captions = self.captions.get(image)
            if not captions:
                raise UserError(f"image {image} has no reference caption to reward samples by: add one or leave it out")
            self._encoded[image] = [self.vocabulary.encode(words(text), self.max_words)[1:] for text in captions]
        return self._encoded[image]
