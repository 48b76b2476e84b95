"""Where the model looked as it wrote each word of its own captions."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from src.attribution.attention import attend
from src.callbacks.media import log_figures, thumbnails
from src.data.batch import CaptionBatch
from src.data.datamodule import CaptionData
from src.figures.word_strip import word_strip
from src.tasks.captioning import Captioning

log = logging.getLogger(__name__)


class AttentionMaps(Callback):
    """Draws the attention of every word of the captions of the first validation images: `val/attention`.

    The strips are also `figures/attention_<image id>.png`, of the last validation that drew them. Nothing but the
    first process does any work, and no process waits for a collective call.

    Args:
        folder: the run directory.
        images: the first so many of the first validation batch.
        every_n_epochs: draw after each so many epochs, beginning with the first.
    """

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1):
        self.folder, self.images, self.every_n_epochs = Path(folder), images, every_n_epochs

    def setup(self, trainer: pl.Trainer, pl_module: Captioning, stage: str) -> None:  # type: ignore[override]
        if stage == "fit" and trainer.is_global_zero and pl_module.captioner.encoder.grid is None:
            name = type(pl_module.captioner.encoder).__name__
            log.info("attention is not drawn: the regions of %s have no grid", name)

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Captioning,
        outputs: Mapping[str, Any],
        batch: CaptionBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        due = batch_idx == 0 and not trainer.sanity_checking and trainer.current_epoch % self.every_n_epochs == 0
        if due and trainer.is_global_zero and pl_module.captioner.encoder.grid is not None:
            self._draw(trainer, pl_module, outputs["captions"], _first(batch, self.images))

    def _draw(
        self, trainer: pl.Trainer, pl_module: Captioning, written: Mapping[int, str], batch: CaptionBatch
    ) -> None:
        data: CaptionData = trainer.datamodule  # type: ignore[attr-defined]
        ids = batch.image_ids.tolist()
        captions = [written[i].split() for i in ids]
        attended = dict(zip(ids, attend(pl_module.captioner, batch, captions, pl_module.vocabulary), strict=True))
        photos = thumbnails((image for image in data.images("val") if image.id in attended), self.images)
        strips = {
            f"attention_{i}": word_strip(
                np.asarray(photo) / 255, attended[i].words, attended[i].maps, sentinel=attended[i].sentinel
            )
            for i, photo in photos.items()
        }
        log_figures(trainer, "val/attention", strips, self.folder)


def _first(batch: CaptionBatch, count: int) -> CaptionBatch:
    """The first images of a batch."""

    def cut(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[:count]

    regions, mask = cut(batch.regions), cut(batch.mask)
    return CaptionBatch(batch.image_ids[:count], batch.captions[:count], cut(batch.images), regions, mask)
