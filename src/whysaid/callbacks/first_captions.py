"""The base of callbacks that draw the captions of the same few validation images."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure

from whysaid.callbacks.first_images import Drawings, FirstImages
from whysaid.callbacks.lightning import data_of
from whysaid.callbacks.unsupported import unsupported
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.figures.marks import HALLUCINATED, MISCOLOURED
from whysaid.tasks.captioning import Captioning

CaptionStrip = Callable[..., Figure]
"""Makes a figure of the photo (H, W, 3) in [0, 1]; takes a `title`, the `caption` and `marks` of its words."""


class FirstCaptions(FirstImages):
    """Draws the first validation images with the captions that were just written. A subclass supplies `strips`.

    Above each drawing stand what it shows, the model, the image and the caption, whose hallucinated words are marked.

    Attributes:
        shows: what a drawing shows, for its title.
    """

    shows = ""

    def strips(
        self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]
    ) -> Sequence[CaptionStrip]:
        """Returns a strip for each image of the batch and its words; an empty list where nothing can be drawn."""
        raise NotImplementedError

    def drawings(
        self, trainer: pl.Trainer, pl_module: Captioning, outputs: Mapping[str, Any], batch: CaptionBatch
    ) -> Drawings:
        batch = batch.rows(range(min(self.images, len(batch))))
        data: CaptionData = data_of(trainer)
        ids, references = batch.image_ids.tolist(), data.references("val")
        captions = [outputs["captions"][i].split() for i in ids]
        drawn: dict[int, tuple[int, CaptionStrip]] = {}
        for i, caption, strip in zip(ids, captions, self.strips(pl_module, batch, captions), strict=False):
            wrong, colours = unsupported(" ".join(caption), references.get(i, []), data.object_words)
            title = f"{self.shows}: {type(pl_module.captioner).__name__}, image {i}"
            marks = dict.fromkeys(colours, MISCOLOURED) | dict.fromkeys(wrong, HALLUCINATED)
            drawn[i] = i, partial(strip, title=title, caption=caption, marks=marks)
        return drawn
