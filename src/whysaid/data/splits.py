"""The splits of any data set of images for Lightning: order, resumption, and files that cannot be read."""

import logging
import signal
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import pytorch_lightning as pl
import torch
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from whysaid.data.files.annotation_file import require_images
from whysaid.data.files.links import require_no_links_out
from whysaid.data.images import Photo
from whysaid.data.sampler import BatchOrder
from whysaid.errors import UserError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")

Image = TypeVar("Image", bound=Photo)


class Source(Protocol[Image]):
    """Reads images from files."""

    def read(self, split: str) -> "list[Image]":
        """The images of `train`, `val` or `test`."""


def outlive_signals(worker: int) -> None:
    """Ignores signals: a terminal and SLURM send them to workers too, which are needed until the run's last batch."""
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)


class Splits(pl.LightningDataModule, Generic[Image]):
    """Three splits, each a data set that gives a batch for a list of keys. Subclasses say what that is: `dataset`.

    Args:
        source: reads the splits.
        root: folder of the files that `source` reads.
        batch_size, eval_batch_size: images in a batch of one process.
        num_workers: processes that load images.
        limits: at most so many images of a split, for a quick look.
        max_broken: share of the images of the splits in use that may be unreadable, in [0, 1].
        seed: of the order.
        evaluated: the split that a test runs on.
        follow_links: read files that lie outside of `root`, behind symbolic links in it. They are refused otherwise,
            since whoever packed a data set would choose by links which files of this machine are read as its photos.
    """

    def __init__(
        self,
        source: Source[Image],
        root: str | Path,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int = 0,
        limits: dict[str, int] | None = None,
        max_broken: float = 0.01,
        seed: int = 0,
        evaluated: str = "test",
        follow_links: bool = False,
    ):
        super().__init__()
        self.source, self.num_workers = source, num_workers
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.limits, self.max_broken, self.seed = limits or {}, max_broken, seed
        self.evaluated, self.root, self.follow_links = evaluated, Path(root), follow_links
        self._splits: dict[str, list[Image]] = {}
        self._broken: set[str] = set()
        self._resume_at = (0, 0)

    def evaluating(self, split: str) -> Self:
        """Returns the same data, of which another split is evaluated."""
        changed = copy(self)
        changed.evaluated = split
        return changed

    def images(self, split: str) -> list[Image]:
        """The images of a split, checked to be there, without those known to be unreadable."""
        if split not in self._splits:
            if split not in SPLITS:
                raise UserError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
            images = self.source.read(split)
            require_images(images, split)
            if not self.follow_links:
                require_no_links_out((image.path for image in images), self.root)
            self._splits[split] = images[: self.limits.get(split)]
        return self._splits[split]

    def is_annotated(self, split: str) -> bool:
        """Tells whether anybody has said what is right of a split's images; of a test split that may be unpublished."""
        return True

    takes_features: ClassVar[bool] = False
    """Whether a model may see cached features of an encoder in place of the pixels."""

    def summary(self) -> Table:
        """Makes the table that `prepare` prints: a row for each split."""
        raise NotImplementedError

    def note_splits(self) -> None:
        """Writes down which images are in which split, where something is derived from them."""

    @property
    def workers(self) -> int:
        """Number of processes that a loader starts."""
        return self.num_workers

    def dataset(self, split: str) -> Dataset[Any]:
        """Makes what gives a batch for a list of keys; the batch's `broken` names files that could not be read."""
        raise NotImplementedError

    def loader(self, split: str) -> DataLoader[Any]:
        """Training batches in an order of (seed, epoch); the other splits in their own order."""
        return self.batches(self.dataset(split), training=split == "train")

    def batches(self, dataset: Dataset[Any], training: bool) -> DataLoader[Any]:
        """This process's share of a data set, in batches of keys."""
        trainer = self.trainer
        order = BatchOrder(
            len(dataset),  # type: ignore[arg-type]
            self.batch_size if training else self.eval_batch_size,
            seed=self.seed if training else None,
            drop_last=training,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        if training:
            order.resume_at = self._resume_at
            order.epoch = self._resume_at[0]
        return DataLoader(
            dataset,
            sampler=order,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            worker_init_fn=outlive_signals,
            generator=torch.Generator(),  # the loader's draws; dropout's stay the same with any number of workers
        )

    def train_dataloader(self) -> DataLoader[Any]:
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.evaluated)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self._note_broken(batch.broken)
        return batch

    def _note_broken(self, names: list[str]) -> None:
        """Logs each unreadable file once; UserError when they are more than `max_broken` of all images."""
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
        """Says where training goes on: the epoch, and the batches of it that were trained on."""
        assert self.trainer is not None
        # `completed` would be one behind: it is counted after the hook in which a checkpoint is written
        trained = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        return {"epoch": self.trainer.current_epoch, "batches": 0 if self.trainer.is_last_batch else trained}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resume_at = (state["epoch"], state["batches"])
