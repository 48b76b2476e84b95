"""What is derived from a training split: its vocabulary and its document frequencies, built once and kept on disk."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from whysaid.data.captions.captioned_image import TOKENS, CaptionedImage, words
from whysaid.data.captions.document_frequency import DocumentFrequencies
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError

VERSION = 2
"""Raised when the same captions are encoded in another way: since 2 a cut caption has no `<end>`."""


def corpus_digest(images: Sequence[CaptionedImage], *settings: object) -> str:
    """A short fingerprint of a split's ids and captions, of how captions become words, and of further settings."""
    seen = hashlib.blake2b(repr((TOKENS, VERSION, settings)).encode(), digest_size=6)
    for image in images:
        seen.update(f"{image.id}\n".encode() + "\n".join(image.captions).encode())
    return seen.hexdigest()


class Corpus:
    """The vocabulary and document frequencies of a training split.

    Args:
        folder: where `vocabulary.json` and `document_frequencies.npz` are kept; built where absent, under a lock, so
            that processes and runs that start together share one build.
    """

    def __init__(self, folder: Path, images: Sequence[CaptionedImage], min_count: int, max_words: int):
        self._images, self._min_count, self._max_words = images, min_count, max_words
        folder.mkdir(parents=True, exist_ok=True)
        self._frequencies_path = folder / "document_frequencies.npz"
        with FileLock(folder / ".lock"):
            self.vocabulary = self._vocabulary(folder / "vocabulary.json")
            if not self._frequencies_path.exists():
                self._build_frequencies()

    @property
    def document_frequencies(self) -> DocumentFrequencies:
        """Read from disk when asked for: only rewards need it."""
        return DocumentFrequencies.load(self._frequencies_path)

    def _vocabulary(self, path: Path) -> Vocabulary:
        if path.exists():
            return Vocabulary(json.loads(path.read_text()))
        tokenised = (words(caption) for image in self._images for caption in image.captions)
        vocabulary = Vocabulary.build(tokenised, self._min_count)
        if len(vocabulary) == 4:
            raise UserError(f"no word occurs {self._min_count} times in the training captions: lower data.min_count")
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(vocabulary.words))
        partial.replace(path)
        return vocabulary

    def _build_frequencies(self) -> None:
        encoded = (
            [self.vocabulary.encode(words(caption), self._max_words) for caption in image.captions]
            for image in self._images
        )
        DocumentFrequencies.build(encoded, len(self.vocabulary)).save(self._frequencies_path)
