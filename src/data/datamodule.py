"""Captioned images for Lightning: COCO, Flickr and Scenes alike."""

import logging
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from src.data.batch import CaptionBatch
from src.data.captions import CaptionedImage, words
from src.data.coco import require_images
from src.data.corpus import Corpus, digest
from src.data.dataset import CaptionDataset
from src.data.features import FeatureStore
from src.data.images import Preprocessing
from src.data.sampler import BatchOrder
from src.data.vocabulary import Vocabulary
from src.errors import UserError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")


class Source(Protocol):
    """Where captioned images come from."""

    def read(self, split: str) -> list[CaptionedImage]:
        """The images of `train`, `val` or `test`."""


class CaptionData(pl.LightningDataModule):
    """The three splits of a captioning data set.

    Args:
        name: of the data set; names the folder of what is derived from it.
        root: folder of its files, which `source` reads.
        source: reads the splits.
        cache_dir: folder for what is derived: vocabulary, document frequencies, cached features.
        object_words: what counts as an object (an `ObjectWords` of src.metrics), for measures of hallucination.
        min_count: training words that occur less often become `<unk>`.
        max_words: captions are cut to this many words.
        captions_per_image: K in a training batch.
        batch_size, eval_batch_size: images in a batch of one process.
        num_workers: processes that load images; 0 with cached features, which need none.
        cache_features: train and evaluate on stored encoder features (a frozen encoder) rather than on pixels.
        limits: at most so many images of a split, for a quick look.
        max_broken: share of the images of the splits in use that may be unreadable, in [0, 1].
        seed: of order and draws.

    Attributes:
        evaluated: the split that a test runs on.
    """

    def __init__(
        self,
        name: str,
        root: str,
        source: Source,
        cache_dir: str,
        object_words: Any = None,
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
        super().__init__()
        self.name, self.root, self.source, self.cache_dir = name, Path(root), source, Path(cache_dir)
        self.min_count, self.max_words, self.captions_per_image = min_count, max_words, captions_per_image
        self.batch_size, self.eval_batch_size, self.num_workers = batch_size, eval_batch_size, num_workers
        self.cache_features, self.limits, self.max_broken, self.seed = cache_features, limits or {}, max_broken, seed
        self.object_words = object_words
        self.evaluated = "test"
        self.preprocessing: Preprocessing | None = None
        self.features: FeatureStore | None = None
        self._splits: dict[str, list[CaptionedImage]] = {}
        self._corpus: Corpus | None = None
        self._vocabulary: Vocabulary | None = None
        self._broken: set[str] = set()
        self._resume_at = (0, 0)

    def images(self, split: str) -> list[CaptionedImage]:
        """The images of a split, checked to be there, without those known to be unreadable."""
        if split not in self._splits:
            if split not in SPLITS:
                raise UserError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
            found = self.source.read(split)
            require_images(found, split)
            self._splits[split] = found[: self.limits.get(split)]
        return self._splits[split]

    def references(self, split: str) -> dict[int, list[str]]:
        """Image id → its reference captions."""
        return {image.id: list(image.captions) for image in self.images(split)}

    @property
    def corpus(self) -> Corpus:
        """Vocabulary and document frequencies of the training split, built on first use."""
        if self._corpus is None:
            images = self.images("train")
            folder = f"corpus-{digest(images, self.min_count, self.max_words)}"
            self._corpus = Corpus(self.cache_dir / folder, images, self.min_count, self.max_words)
        return self._corpus

    @property
    def vocabulary(self) -> Vocabulary:
        """The training split's vocabulary, or the checkpoint's where one was given to `use`."""
        return self._vocabulary or self.corpus.vocabulary

    def use(
        self, preprocessing: Preprocessing, features: FeatureStore | None = None, vocabulary: Vocabulary | None = None
    ) -> None:
        """What the model brings: how pixels are prepared, cached features in their place, a checkpoint's vocabulary."""
        self.preprocessing, self.features, self._vocabulary = preprocessing, features, vocabulary

    def drop(self, broken: dict[int, str]) -> None:
        """Leave out the unreadable images found while features were cached (image id → file name)."""
        splits = {split: self.images(split) for split in SPLITS}
        self._note_broken(list(broken.values()))
        for split, images in splits.items():
            self._splits[split] = [image for image in images if image.id not in broken]

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

    def loader(self, split: str) -> DataLoader[CaptionBatch]:
        """Training batches in an order of (seed, epoch); the other splits in their own order."""
        dataset, training = self.dataset(split), split == "train"
        trainer = self.trainer
        order = BatchOrder(
            len(dataset),
            self.batch_size if training else self.eval_batch_size,
            seed=self.seed if training else None,
            drop_last=training,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        if training:
            order.resume_at = self._resume_at
            order.epoch = self._resume_at[0]
        workers = 0 if self.features is not None else self.num_workers
        return DataLoader(
            dataset,
            sampler=order,
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # the loader's draws; dropout's stay the same with any number of workers
        )

    def train_dataloader(self) -> DataLoader[CaptionBatch]:
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[CaptionBatch]:
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[CaptionBatch]:
        return self.loader(self.evaluated)

    def on_before_batch_transfer(self, batch: CaptionBatch, dataloader_idx: int) -> CaptionBatch:
        self._note_broken(batch.broken)
        return batch

    def _note_broken(self, names: list[str]) -> None:
        """Log each unreadable file once; UserError when they are more than `max_broken` of all images."""
        for name in sorted(set(names) - self._broken):
            log.warning("%s cannot be read; another image stands in for it", name)
        self._broken.update(names)
        total = sum(len(images) for images in self._splits.values())
        if len(self._broken) > self.max_broken * total:
            raise UserError(
                f"{len(self._broken)} of {total} images cannot be read, more than data.max_broken={self.max_broken}: "
                f"fetch them again, the first is {min(self._broken)}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Where training goes on: the epoch, and the batches of it that were trained on."""
        assert self.trainer is not None
        # `completed` would be one behind: it is counted after the hook in which a checkpoint is written
        trained = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        return {"epoch": self.trainer.current_epoch, "batches": 0 if self.trainer.is_last_batch else trained}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resume_at = (state["epoch"], state["batches"])
