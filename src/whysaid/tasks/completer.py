"""A generator that fills holes: all that evaluation needs, and what training builds on."""

from typing import Any

import pytorch_lightning as pl

from whysaid.data.inpainting.holes import InpaintingBatch
from whysaid.models.inpainting.generator import Generator, Inpainted


class Completer(pl.LightningModule):
    """Fills holes; steps return `{"inpainted": Inpainted}`.

    Args:
        generator: the model.
    """

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    @property
    def completing(self) -> Generator:
        """The generator that validation and test see."""
        return self.generator

    def validation_step(self, batch: InpaintingBatch, batch_idx: int) -> dict[str, Any]:
        return {"inpainted": self.inpaint(batch)}

    def test_step(self, batch: InpaintingBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        return {"inpainted": self.inpaint(batch)}

    def inpaint(self, batch: InpaintingBatch) -> Inpainted:
        """Fills the holes of a batch."""
        inpainted: Inpainted = self.completing(batch.images, batch.masks)
        return inpainted
