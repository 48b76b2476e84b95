"""What the callbacks share that draw the captions of the same few validation images."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from src.callbacks.media import log_figures, thumbnails
from src.data.batch import CaptionBatch
from src.data.datamodule import CaptionData
from src.tasks.captioning import Captioning

log = logging.getLogger(__name__)

Strip = Callable[[NDArray[np.floating]], Figure]
"""From the photo (H, W, 3) in [0, 1] to a figure."""


class FirstImages(Callback):
    """Draws the first validation images with the captions that were just written: `val/<quantity>`, and
    `figures/<quantity>_<image id>.png` of the last validation that drew them.

    Nothing but the first process does any work, and no process waits for a collective call. A subclass supplies
    `strips`.

    Args:
        quantity: what is drawn.
        folder: the run directory.
        images: the first so many of the first validation batch.
        every_n_epochs: draw in the first validation, and then in the first that is so many epochs later; always in one
            outside of training, whose pictures stay.
    """

    def __init__(self, quantity: str, folder: str, images: int, every_n_epochs: int):
        self.quantity, self.folder, self.images, self.every_n_epochs = quantity, Path(folder), images, every_n_epochs
        self._due = 0

    def strips(self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]) -> Sequence[Strip]:
        """A strip for each image of the batch and its words; none where nothing can be drawn."""
        raise NotImplementedError

    def setup(self, trainer: pl.Trainer, pl_module: Captioning, stage: str) -> None:  # type: ignore[override]
        if stage == "fit" and trainer.is_global_zero and pl_module.captioner.encoder.grid is None:
            name = type(pl_module.captioner.encoder).__name__
            log.info("%s is not drawn: the regions of %s have no grid", self.quantity, name)

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Captioning,
        outputs: Mapping[str, Any],
        batch: CaptionBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        training = trainer.state.fn == TrainerFn.FITTING
        if batch_idx or trainer.sanity_checking or (training and trainer.current_epoch < self._due):
            return
        self._due = trainer.current_epoch + self.every_n_epochs
        if trainer.is_global_zero and pl_module.captioner.encoder.grid is not None:
            self._draw(trainer, pl_module, outputs["captions"], _first(batch, self.images))

    def _draw(
        self, trainer: pl.Trainer, pl_module: Captioning, written: Mapping[int, str], batch: CaptionBatch
    ) -> None:
        data: CaptionData = trainer.datamodule  # type: ignore[attr-defined]
        ids = batch.image_ids.tolist()
        strips = dict(zip(ids, self.strips(pl_module, batch, [written[i].split() for i in ids]), strict=False))
        photos = thumbnails((image for image in data.images("val") if image.id in strips), self.images)
        figures = {f"{self.quantity}_{i}": strips[i](np.asarray(photo) / 255) for i, photo in photos.items()}
        log_figures(trainer, f"val/{self.quantity}", figures, self.folder)


def _first(batch: CaptionBatch, count: int) -> CaptionBatch:
    """The first images of a batch."""

    def cut(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[:count]

    regions, mask = cut(batch.regions), cut(batch.mask)
    return CaptionBatch(batch.image_ids[:count], batch.captions[:count], cut(batch.images), regions, mask)
