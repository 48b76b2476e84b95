"""The base of callbacks that draw the same few validation images."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.due import Due
from whysaid.callbacks.lightning import data_of
from whysaid.callbacks.media import log_figures, thumbnails
from whysaid.tasks.trained import Trained

log = logging.getLogger(__name__)

Strip = Callable[[NDArray[np.floating]], Figure]
"""Makes a figure of the photo (H, W, 3) in [0, 1]."""


class FirstImages(Callback):
    """Draws the first validation images: logs `val/<quantity>` and writes `figures/<quantity>_<id>.png`.

    A file is overwritten by the next validation that draws. The first process alone does any work, and no process
    waits for a collective call. A subclass supplies `drawings`.

    Args:
        quantity: name of what is drawn.
        folder: the run directory.
        images: how many images of the first validation batch are drawn, from the first on.
        every_n_epochs: epochs of training between two drawings, as `Due` counts them.
    """

    def __init__(self, quantity: str, folder: str, images: int, every_n_epochs: int):
        self.quantity, self.folder, self.images = quantity, Path(folder), images
        self.due = Due(every_n_epochs)

    def drawings(self, trainer: pl.Trainer, pl_module: Any, outputs: Mapping[str, Any], batch: Any) -> "Drawings":
        """Returns what is drawn of the first `images` images of a batch; nothing where nothing can be.

        Args:
            trainer: the trainer.
            pl_module: the task.
            outputs: what the validation step returned for the batch.
            batch: the batch.
        """
        raise NotImplementedError

    def setup(self, trainer: pl.Trainer, pl_module: Trained, stage: str) -> None:  # type: ignore[override]
        if stage == "fit" and trainer.is_global_zero and pl_module.encoder.grid is None:
            name = type(pl_module.encoder).__name__
            log.info("%s is not drawn: the regions of %s have no grid", self.quantity, name)

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Trained,
        outputs: Mapping[str, Any],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0 and self.due(trainer) and trainer.is_global_zero and pl_module.encoder.grid is not None:
            self._draw(trainer, self.drawings(trainer, pl_module, outputs, batch))

    def _draw(self, trainer: pl.Trainer, drawings: "Drawings") -> None:
        images = data_of(trainer).images("val")
        photos = thumbnails((image for image in images if image.id in drawings), self.images)
        figures = {}
        for image_id, photo in photos.items():
            drawn_id, strip = drawings[image_id]
            figures[f"{self.quantity}_{drawn_id}"] = strip(np.asarray(photo) / 255)
        log_figures(trainer, f"val/{self.quantity}", figures, self.folder)


Drawings = Mapping[int, tuple[int, Strip]]
"""Image id → the id in the name of the drawing's file, and the strip."""
