"""In how many images of the training corpus an n-gram occurs: the idf of CIDEr (Vedantam et al. 2015).

N-grams of vocabulary indices, `<end>` counting as a word, are packed into one uint64: 16 bits a word, 0 for none.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from zipfile import is_zipfile

import numpy as np

from whysaid.data.vocabulary import START
from whysaid.errors import UserError

MAX_ORDER = 4
_BITS = 16


def ngrams(tokens: Sequence[int] | np.ndarray, order: int) -> np.ndarray:
    """The packed n-grams of one order of captions of vocabulary indices: (…, T) → (…, T − order + 1) uint64."""
    ids = np.asarray(tokens, np.uint64) + np.uint64(1)
    count = max(ids.shape[-1] - order + 1, 0)
    packed = np.zeros((*ids.shape[:-1], count), np.uint64)
    for i in range(order):
        packed = (packed << np.uint64(_BITS)) | ids[..., i : i + count]
    return packed


class DocumentFrequencies:
    """Sorted packed n-grams (M,) uint64, the number of images each occurs in (M,) int32, and the number of images."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray, documents: int):
        self.keys, self.counts, self.documents = keys, counts, documents

    @classmethod
    def build(cls, captions: Iterable[Sequence[Sequence[int]]], vocab_size: int) -> "DocumentFrequencies":
        """Counts over the encoded captions (`<start> … <end>`) of each image; UserError beyond 65,534 words."""
        if vocab_size >= 2**_BITS - 1:
            raise UserError(f"a vocabulary of {vocab_size} words is too large (65,534): raise data.min_count")
        documents = [_document(captions_of_image) for captions_of_image in captions]
        keys, counts = np.unique(np.concatenate(documents), return_counts=True)
        return cls(keys, counts.astype(np.int32), len(documents))

    def __call__(self, packed: np.ndarray) -> np.ndarray:
        """Images that hold each of the packed n-grams (…,) uint64 → (…,) int32, 0 where none does."""
        at = np.searchsorted(self.keys, packed).clip(max=len(self.keys) - 1)
        return np.where(self.keys[at] == packed, self.counts[at], 0)

    def save(self, path: Path) -> None:
        """Writes a file for `load`."""
        with path.open("wb") as file:
            np.savez(file, keys=self.keys, counts=self.counts, documents=self.documents)

    @classmethod
    def load(cls, path: Path) -> "DocumentFrequencies":
        """Reads a file of `save`; ValueError, or what zipfile raises, where it is none."""
        if path.exists() and not is_zipfile(path):
            raise ValueError("it is no archive of arrays")  # numpy would take it for a pickle, and say how to load that
        with np.load(path) as arrays:
            return cls(arrays["keys"], arrays["counts"], int(arrays["documents"]))


def _document(captions: Sequence[Sequence[int]]) -> np.ndarray:
    """The distinct n-grams of order 1 to 4 of one image's captions, without `<start>`."""
    stripped = [caption[1:] if caption[0] == START else caption for caption in captions]
    parts = [ngrams(caption, order) for caption in stripped for order in range(1, MAX_ORDER + 1)]
    return np.unique(np.concatenate(parts))
