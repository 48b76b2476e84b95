"""Captioned images for Lightning: COCO, Flickr and Scenes alike."""

from copy import copy
from typing import Any, Self

from rich.table import Table

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.corpus import Corpus, corpus_digest
from whysaid.data.captions.dataset import CaptionDataset, Changing
from whysaid.data.features.featured import ChangedSource, Featured
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.changes import Changes
from whysaid.data.removal.removals import Removals
from whysaid.data.splits import SPLITS, Source
from whysaid.data.vocabulary import Vocabulary
from whysaid.data.words import words
from whysaid.errors import UserError


class CaptionData(Featured[CaptionedImage]):
    """The three splits of a captioning data set.

    Args:
        name, root, source, cache_dir, cache_features: as of any images.
        object_words: what counts as an object for measures of hallucination.
        min_count: training words that occur less often become `<unk>`.
        max_words: captions are cut to this many words.
        captions_per_image: K in a training batch.
        characters: each character of a script that is written without spaces is a word.
        removal: takes objects out of training pictures, for objectives that ask for it; None leaves all as they are.
        settings: batch_size, eval_batch_size (images), num_workers, limits, max_broken, seed and evaluated, as of any
            images.

    Attributes:
        changes: draws training pictures without an object; None where the data were made without.
    """

    def __init__(
        self,
        name: str,
        root: str,
        source: Source[CaptionedImage],
        cache_dir: str,
        object_words: ObjectWords | None = None,
        min_count: int = 5,
        max_words: int = 30,
        captions_per_image: int = 5,
        cache_features: bool = False,
        characters: bool = False,
        removal: Removals | None = None,
        **settings: Any,
    ):
        spaced = ChangedSource(source, CaptionedImage.spaced) if characters else source
        super().__init__(name, root, spaced, cache_dir, cache_features, **settings)
        self.min_count, self.max_words, self.captions_per_image = min_count, max_words, captions_per_image
        self.object_words, self.removal = object_words, removal
        self.changes: Changes | None = None
        self._corpus: Corpus | None = None

    def with_changes(self, changes: Changes) -> Self:
        """Returns the same data with changed pictures in their training batches."""
        made = copy(self)
        made.changes = changes
        return made

    def references(self, split: str) -> dict[int, list[str]]:
        """Image id → its reference captions."""
        return {image.id: list(image.captions) for image in self.images(split)}

    def is_annotated(self, split: str) -> bool:
        return any(image.captions for image in self.images(split))

    @property
    def corpus(self) -> Corpus:
        """Vocabulary and document frequencies of the training split, built on first use."""
        if self._corpus is None:
            images = self.images("train")
            folder = f"corpus-{corpus_digest(images, self.min_count, self.max_words)}"
            self._corpus = Corpus(self.cache_dir / folder, images, self.min_count, self.max_words)
        return self._corpus

    @property
    def vocabulary(self) -> Vocabulary:
        return (self._inputs and self._inputs.vocabulary) or self.corpus.vocabulary

    def summary(self) -> Table:
        """Makes a table: split → images, captions, words, and the share of these words in the vocabulary.

        The vocabulary is built if need be.
        """
        vocabulary = self.corpus.vocabulary
        about = f"{self.name}: vocabulary of {len(vocabulary):,}: 4 marks and the words seen at least {self.min_count}×"
        table = Table("split", "images", "captions", "words", "coverage", caption=about, min_width=len(about))
        for split in SPLITS:
            images = self.images(split)
            captions = [words(caption) for image in images for caption in image.captions]
            count = sum(len(caption) for caption in captions)
            known = sum(word in vocabulary for caption in captions for word in caption)
            coverage = f"{known / count:.2%}" if count else "no captions"
            table.add_row(split, f"{len(images):,}", f"{len(captions):,}", f"{count:,}", coverage)
        return table

    def dataset(self, split: str) -> CaptionDataset:
        """Makes the split into batches; UserError where no caption has a known word."""
        inputs, images, vocabulary = self.inputs, self.images(split), self.vocabulary
        said = (word for image in images for caption in image.captions for word in words(caption))
        if self.is_annotated(split) and not any(word in vocabulary for word in said):
            raise UserError(f"no {split} caption has a word of the vocabulary: is the checkpoint of another data set?")
        training = split == "train"
        captions = self.captions_per_image if training else max(len(image.captions) for image in images)
        changing = None
        if training and self.changes is not None and self.object_words is not None:
            changing = Changing(self.changes, self.object_words)
        return CaptionDataset(
            images, vocabulary, inputs.preprocessing, captions, self.max_words, inputs.features, self.seed, changing
        )
