"""Captioned images for Lightning: COCO, Flickr and Scenes alike."""

from rich.table import Table

from whysaid.data.captions.captioned_image import CaptionedImage, words
from whysaid.data.captions.corpus import Corpus, corpus_digest
from whysaid.data.captions.dataset import CaptionDataset
from whysaid.data.features.featured import Featured
from whysaid.data.object_words import ObjectWords
from whysaid.data.splits import SPLITS, Source
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError


class CaptionData(Featured[CaptionedImage]):
    """The three splits of a captioning data set.

    Args:
        name: of the data set; names the folder of what is derived from it.
        root: folder of its files, which `source` reads.
        source: reads the splits.
        cache_dir: folder for what is derived: vocabulary, document frequencies, cached features.
        object_words: what counts as an object for measures of hallucination.
        min_count: training words that occur less often become `<unk>`.
        max_words: captions are cut to this many words.
        captions_per_image: K in a training batch.
        batch_size, eval_batch_size: images in a batch of one process.
        num_workers: processes that load images; 0 with cached features, which need none.
        cache_features: train and evaluate on stored encoder features (a frozen encoder) rather than on pixels.
        limits: at most so many images of a split, for a quick look.
        max_broken: share of the images of the splits in use that may be unreadable, in [0, 1].
        seed: of order and draws.
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
        batch_size: int = 32,
        eval_batch_size: int = 50,
        num_workers: int = 0,
        cache_features: bool = False,
        limits: dict[str, int] | None = None,
        max_broken: float = 0.01,
        seed: int = 0,
    ):
        super().__init__(
            name,
            root,
            source,
            cache_dir,
            cache_features,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            limits=limits,
            max_broken=max_broken,
            seed=seed,
        )
        self.min_count, self.max_words, self.captions_per_image = min_count, max_words, captions_per_image
        self.object_words = object_words
        self._corpus: Corpus | None = None

    def references(self, split: str) -> dict[int, list[str]]:
        """Image id → its reference captions."""
        return {image.id: list(image.captions) for image in self.images(split)}

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
        """The training split's vocabulary, or the checkpoint's where one was given to `use`."""
        return self._vocabulary or self.corpus.vocabulary

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
            coverage = f"{known / max(count, 1):.2%}"
            table.add_row(split, f"{len(images):,}", f"{len(captions):,}", f"{count:,}", coverage)
        return table

    def dataset(self, split: str) -> CaptionDataset:
        """The split as batches; UserError before `use`, or where no caption has a known word."""
        assert self.preprocessing is not None, "call use() with the encoder's preprocessing first"
        images, vocabulary = self.images(split), self.vocabulary
        if not any(word in vocabulary for image in images for caption in image.captions for word in words(caption)):
            raise UserError(f"no {split} caption has a word of the vocabulary: is the checkpoint of another data set?")
        captions = self.captions_per_image if split == "train" else max(len(image.captions) for image in images)
        return CaptionDataset(
            images, vocabulary, self.preprocessing, captions, self.max_words, self.features, self.seed
        )
