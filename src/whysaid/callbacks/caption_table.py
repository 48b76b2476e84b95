"""Shows what the model says of the same few images of each validation, beside what people say of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.caption_metrics import caption_metrics_of
from whysaid.callbacks.lightning import data_of, tested_split
from whysaid.callbacks.media import log_figures, log_table, thumbnails
from whysaid.callbacks.unsupported import unsupported
from whysaid.data.captions.datamodule import CaptionData
from whysaid.figures.caption_sheet import Captioned, caption_sheet


class CaptionTable(Callback):
    """Logs the table `<split>/captions` after every validation and the test: image, caption, references, scores.

    Where the support of the objects that a caption names is known, they have a column of their own.

    After the test the same stands in `figures/captions_<split>.png`, where words for objects that no reference
    mentions are marked as hallucinated, and colours that no reference gives an object as wrong. Captions and scores are
    those that `CaptionMetrics` keeps, wherever it stands among the callbacks.

    Args:
        folder: the run directory.
        images: how many of the split's images are shown, the first that can be read.
    """

    def __init__(self, folder: str, images: int = 16):
        self.folder, self.images = Path(folder), images

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        caption_metrics_of(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            self._log(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            split = tested_split(trainer)
            photos = self._log(trainer, split)
            sheet = caption_sheet([_captioned(trainer, split, i, photo) for i, photo in photos.items()])
            log_figures(trainer, f"{split}/caption_sheet", {f"captions_{split}": sheet}, self.folder)

    def _log(self, trainer: pl.Trainer, split: str) -> dict[int, Image.Image]:
        """Logs the table; returns the photos that it shows."""
        data: CaptionData = data_of(trainer)
        metrics, references = caption_metrics_of(trainer), data.references(split)
        captioned = (image for image in data.images(split) if image.id in metrics.captions)
        photos = thumbnails(captioned, self.images)
        per_image = metrics.scores.per_image
        columns = ["image", "image_id", "caption", "references", *per_image]
        rows: list[list[Any]] = [
            [photo, i, metrics.captions[i], "\n".join(references[i]), *(scores.get(i) for scores in per_image.values())]
            for i, photo in photos.items()
        ]
        if metrics.support:
            columns.append("support")
            for i, row in zip(photos, rows, strict=True):
                row.append(", ".join(map(str, metrics.support.get(i, ()))))
        log_table(trainer, f"{split}/captions", columns, rows)
        return photos


def _captioned(trainer: pl.Trainer, split: str, image_id: int, photo: Image.Image) -> Captioned:
    """Returns a tile of the sheet: photo, caption, references, and the caption's CIDEr where it was scored."""
    data: CaptionData = data_of(trainer)
    metrics = caption_metrics_of(trainer)
    caption, references = metrics.captions[image_id], data.references(split)[image_id]
    wrong, colours = unsupported(caption, references, data.object_words)
    score = metrics.scores.per_image.get("CIDEr", {}).get(image_id)
    return Captioned(
        image=np.asarray(photo) / 255,
        caption=caption,
        references=references,
        wrong=wrong,
        miscoloured=colours,
        score="" if score is None else f"CIDEr {score:.2f}",
    )
