"""The reference captions that samples are rewarded against, as vocabulary indices.

B images, n samples of each, K references of each, T words of a sample, U words of a reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import END, PAD, Vocabulary
from whysaid.data.words import words
from whysaid.errors import UserError

Tokens = NDArray[np.int32]
"""Captions without `<start>`, `<end>` a word like any other, `<pad>` behind it."""


@dataclass
class Sampled:
    """Samples and the references that rewards judge them by.

    Attributes:
        ids: of the B images.
        tokens: (B, n, T).
        references: (B, K, U), all `<pad>` where an image has fewer than K.
    """

    ids: Sequence[int]
    tokens: Tokens
    references: Tokens


class References:
    """All reference captions of each image, encoded once as the training captions are: 5 µs and 60 bytes a caption.

    Args:
        captions: image id → its captions as written.
        vocabulary: encodes them.
        max_words: longer captions are cut and then have no `<end>`.
    """

    def __init__(self, captions: Mapping[int, Sequence[str]], vocabulary: Vocabulary, max_words: int | None = None):
        self._encoded = {
            image: padded([vocabulary.encode(words(text), max_words)[1:] for text in texts])
            for image, texts in captions.items()
            if texts
        }

    def __call__(self, ids: Sequence[int]) -> Tokens:
        """Gives the references (B, K, U) of images, K and U the largest among them. Raises UserError: one has none."""
        for image in ids:
            if image not in self._encoded:
                raise UserError(f"image {image} has no reference caption to reward samples by: add one or leave it out")
        encoded = [self._encoded[image] for image in ids]
        shape = np.max([tokens.shape for tokens in encoded], 0)
        references = np.full((len(encoded), *shape), PAD, np.int32)
        for row, tokens in zip(references, encoded, strict=True):
            row[: tokens.shape[0], : tokens.shape[1]] = tokens
        return references


def padded(captions: Sequence[Sequence[int]]) -> Tokens:
    """Fills K captions with `<pad>` to the U words of the longest: (K, U)."""
    tokens = np.full((len(captions), max(map(len, captions))), PAD, np.int32)
    for row, caption in zip(tokens, captions, strict=True):
        row[: len(caption)] = caption
    return tokens


def counted_vocabulary(data: CaptionData) -> Vocabulary:
    """Gives the words that n-grams are counted of: the model's own, or the training split's where it writes pieces."""
    own = data.vocabulary
    return data.corpus.vocabulary if isinstance(own, PieceVocabulary) else own


class PiecesToWords:
    """Captions of pieces as captions of words; a word that the vocabulary lacks is `<unk>`.

    Args:
        pieces: the vocabulary of the captions.
        words: that of the words.
    """

    def __init__(self, pieces: Vocabulary, words: Vocabulary):
        self.pieces, self.words = pieces, words

    def __call__(self, captions: Tokens) -> Tokens:
        """Takes captions (B, n, T) of pieces to captions (B, n, ·) of words, with `<end>` where they have it."""
        rows = [self._words(caption) for caption in captions.reshape(-1, captions.shape[2]).tolist()]
        return padded(rows).reshape(*captions.shape[:2], -1)

    def _words(self, caption: list[int]) -> list[int]:
        encoded = self.words.encode(words(" ".join(self.pieces.decode(caption))))[1:]
        return encoded if END in caption else encoded[:-1]
