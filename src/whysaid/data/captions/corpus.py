"""What is derived from a training split: its vocabulary and its document frequencies, built once and kept on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.document_frequency import DocumentFrequencies
from whysaid.data.files.kept import kept, load_json, save_json
from whysaid.data.vocabulary import Vocabulary
from whysaid.data.words import TOKENS, require_spaces, words
from whysaid.errors import UserError

VERSION = 2
"""Raised when the same captions are encoded in another way: since 2 a cut caption has no `<end>`."""


def corpus_digest(images: Sequence[CaptionedImage], *settings: object) -> str:
    """Fingerprints a split's ids and captions, of how captions become words, and of further settings."""
    digest = hashlib.blake2b(repr((TOKENS, VERSION, settings)).encode(), digest_size=6)
    for image in images:
        digest.update(f"{image.id}\n".encode() + "\n".join(image.captions).encode())
    return digest.hexdigest()


class Corpus:
    """The vocabulary and document frequencies of a training split.

    Args:
        folder: where `vocabulary.json` and `document_frequencies.npz` are kept; built where absent, under a lock, so
            that processes and runs that start together share one build.
        images: of the split.
        min_count: words that occur less often are not in the vocabulary.
        max_words: captions are cut to this many words before their n-grams are counted.
    """

    def __init__(self, folder: Path, images: Sequence[CaptionedImage], min_count: int, max_words: int):
        self._images, self._min_count, self._max_words = images, min_count, max_words
        self.vocabulary: Vocabulary = kept(folder / "vocabulary.json", _load, self._build_vocabulary, _save)
        self._frequencies_path = folder / "document_frequencies.npz"
        self._built = None if self._frequencies_path.exists() else self._frequencies()

    @property
    def document_frequencies(self) -> DocumentFrequencies:
        """Document frequencies, read from disk when asked for: only rewards need them."""
        return self._frequencies() if self._built is None else self._built

    def _frequencies(self) -> DocumentFrequencies:
        build, save = self._build_frequencies, DocumentFrequencies.save
        return kept(self._frequencies_path, DocumentFrequencies.load, build, save)

    def _build_vocabulary(self) -> Vocabulary:
        require_spaces(caption for image in self._images for caption in image.captions)
        tokenised = (words(caption) for image in self._images for caption in image.captions)
        vocabulary = Vocabulary.build(tokenised, self._min_count)
        if len(vocabulary) == 4:
            raise UserError(f"no word occurs {self._min_count} times in the training captions: lower data.min_count")
        return vocabulary

    def _build_frequencies(self) -> DocumentFrequencies:
        encoded = (
            [self.vocabulary.encode(words(caption), self._max_words) for caption in image.captions]
            for image in self._images
        )
        return DocumentFrequencies.build(encoded, len(self.vocabulary))


def _load(path: Path) -> Vocabulary:
    return Vocabulary(load_json(path))


def _save(vocabulary: Vocabulary, path: Path) -> None:
    save_json(vocabulary.words, path)
