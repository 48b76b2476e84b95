"""Draws what the generator makes of the first pictures of validation and test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from whysaid.callbacks.due import Due
from whysaid.callbacks.lightning import tested_split
from whysaid.callbacks.media import log_figures
from whysaid.data.inpainting.holes import InpaintingBatch, uncentred
from whysaid.figures.inpainting_sheet import Sample, inpainting_sheet
from whysaid.models.inpainting.generator import Inpainted

NAMES = ("inpainted", "removed")
"""Names of the sheets: of the first test set, which has random holes, and of the second, removed objects."""


class InpaintingSamples(Callback):
    """Draws input, hole, coarse and completed picture and truth of the first pictures.

    It logs `val/inpainted`, `test/inpainted` and `test/removed`, and writes `figures/inpainted_val.png` and so on. The
    first process alone draws.

    Args:
        folder: the run directory.
        images: how many pictures of the first batch are drawn, from the first on.
        every_n_epochs: epochs of training between two drawings, as `Due` counts them.
    """

    def __init__(self, folder: str, images: int = 6, every_n_epochs: int = 1):
        self.folder, self.images, self.due = Path(folder), images, Due(every_n_epochs)

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Mapping[str, Any],
        batch: InpaintingBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0 and self.due(trainer):
            self._draw(trainer, "val", NAMES[0], outputs["inpainted"], batch)

    def on_test_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Mapping[str, Any],
        batch: InpaintingBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0:
            self._draw(trainer, tested_split(trainer), NAMES[dataloader_idx], outputs["inpainted"], batch)

    def _draw(self, trainer: pl.Trainer, split: str, name: str, inpainted: Inpainted, batch: InpaintingBatch) -> None:
        if trainer.is_global_zero:
            parts = (uncentred(batch.images), batch.masks, uncentred(inpainted.coarse), uncentred(inpainted.completed))
            rows = zip(*(_pixels(part[: self.images]) for part in parts), strict=True)
            sheet = inpainting_sheet([Sample(truth, hole[..., 0], *made) for truth, hole, *made in rows])
            log_figures(trainer, f"{split}/{name}", {f"{name}_{split}": sheet}, self.folder)


def _pixels(images: Tensor) -> Any:
    """Returns images (B, C, H, W) as a NumPy array (B, H, W, C)."""
    return images.permute(0, 2, 3, 1).float().cpu().numpy()
