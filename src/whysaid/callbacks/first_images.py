"""What the callbacks share that draw the same few validation images."""

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
from whysaid.callbacks.media import log_figures, thumbnails
from whysaid.tasks.trained import Trained

log = logging.getLogger(__name__)

Strip = Callable[[NDArray[np.floating]], Figure]
"""From the photo (H, W, 3) in [0, 1] to a figure."""


class FirstImages(Callback):
    """Draws the first validation images as `val/<quantity>`, and `figures/<quantity>_<id>.png` of the last validation
    that drew them.

    Nothing but the first process does any work, and no process waits for a collective call. A subclass supplies
    `drawings`.

    Args:
        quantity: what is drawn.
        folder: the run directory.
        images: the first so many of the first validation batch.
        every_n_epochs: of training between two drawings, see `Due`.
    """

    def __init__(self, quantity: str, folder: str, images: int, every_n_epochs: int):
        self.quantity, self.folder, self.images = quantity, Path(folder), images
        self.due = Due(every_n_epochs)

    def drawings(self, trainer: pl.Trainer, pl_module: Any, outputs: Mapping[str, Any], batch: Any) -> "Drawings":
        """What is drawn of the first `images` images of a batch; empty where nothing can be.

        Args:
            outputs: what the validation step made of the batch.
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
        images = trainer.datamodule.images("val")  # type: ignore[attr-defined]
        photos = thumbnails((image for image in images if image.id in drawings), self.images)
        figures = {}
        for image_id, photo in photos.items():
            drawn_id, strip = drawings[image_id]
            figures[f"{self.quantity}_{drawn_id}"] = strip(np.asarray(photo) / 255)
        log_figures(trainer, f"val/{self.quantity}", figures, self.folder)


Drawings = Mapping[int, tuple[int, Strip]]
"""Image id → the id that the drawing's file bears, and the strip."""
