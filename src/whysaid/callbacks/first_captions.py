"""The base of callbacks that draw the captions of the same few validation images."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from whysaid.callbacks.first_images import Drawings, FirstImages, Strip
from whysaid.data.batch import CaptionBatch
from whysaid.tasks.captioning import Captioning


class FirstCaptions(FirstImages):
    """Draws the first validation images with the captions that were just written. A subclass supplies `strips`."""

    def strips(self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]) -> Sequence[Strip]:
        """Returns a strip for each image of the batch and its words; an empty list where nothing can be drawn."""
        raise NotImplementedError

    def drawings(
        self, trainer: pl.Trainer, pl_module: Captioning, outputs: Mapping[str, Any], batch: CaptionBatch
    ) -> Drawings:
        batch = batch.rows(range(min(self.images, len(batch))))
        ids = batch.image_ids.tolist()
        strips = self.strips(pl_module, batch, [outputs["captions"][i].split() for i in ids])
        return {i: (i, strip) for i, strip in zip(ids, strips, strict=False)}
