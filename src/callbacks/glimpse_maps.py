"""Where the model looked as it answered: its glimpses."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from src.attribution.glimpses import glimpse_maps
from src.callbacks.media import log_figures, thumbnails
from src.data.batch import QuestionBatch
from src.data.vqa_datamodule import QuestionData
from src.figures.word_strip import word_strip
from src.metrics.vqa import Given
from src.tasks.vqa import Answering

log = logging.getLogger(__name__)


class GlimpseMaps(Callback):
    """Draws the glimpses of the first question about each of the first validation images: `val/glimpses`.

    The strips are also `figures/glimpses_<question id>.png`, of the last validation that drew them. Nothing but the
    first process does any work, and no process waits for a collective call.

    Args:
        folder: the run directory.
        images: the first so many of the first validation batch.
        every_n_epochs: draw after each so many epochs, beginning with the first.
    """

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1):
        self.folder, self.images, self.every_n_epochs = Path(folder), images, every_n_epochs

    def setup(self, trainer: pl.Trainer, pl_module: Answering, stage: str) -> None:  # type: ignore[override]
        if stage == "fit" and trainer.is_global_zero and pl_module.model.encoder.grid is None:
            log.info("glimpses are not drawn: the regions of %s have no grid", type(pl_module.model.encoder).__name__)

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Answering,
        outputs: Mapping[str, Any],
        batch: QuestionBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        due = batch_idx == 0 and not trainer.sanity_checking and trainer.current_epoch % self.every_n_epochs == 0
        if due and trainer.is_global_zero and pl_module.model.encoder.grid is not None:
            self._draw(trainer, pl_module, outputs["given"], batch)

    def _draw(
        self, trainer: pl.Trainer, pl_module: Answering, given: Mapping[int, Given], batch: QuestionBatch
    ) -> None:
        data: QuestionData = trainer.datamodule  # type: ignore[attr-defined]
        maps = glimpse_maps(pl_module.model, batch)[:, 0]
        rows = dict(reversed(list(zip(batch.image_ids.tolist(), range(len(batch)), strict=True))))  # first of an image
        photos = thumbnails((image for image in data.images("val") if image.id in rows), self.images)
        strips, questions = {}, data.questions("val")
        for i, photo in photos.items():
            question = questions[int(batch.question_ids[rows[i], 0])]
            names = [f"glimpse {g + 1}" for g in range(maps.shape[1])]
            asked = f"{question.text} {given[question.id].answer}"
            strips[f"glimpses_{question.id}"] = word_strip(
                np.asarray(photo) / 255, names, maps[rows[i]], quantity=asked, same_range=False
            )
        log_figures(trainer, "val/glimpses", strips, self.folder)
