"""Where the model looked as it answered: its glimpses."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl

from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.callbacks.first_images import Drawings, FirstImages
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.datamodule import QuestionData
from whysaid.figures.word_strip import word_strip
from whysaid.tasks.vqa import Answering


class GlimpseMaps(FirstImages):
    """Draws the glimpses of the first question about each of the first validation images: `val/glimpses`. Files bear
    the question's id.

    Args:
        folder: the run directory.
        images: the first so many of the first validation batch.
        every_n_epochs: see `FirstImages`.
    """

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1):
        super().__init__("glimpses", folder, images, every_n_epochs)

    def drawings(
        self, trainer: pl.Trainer, pl_module: Answering, outputs: Mapping[str, Any], batch: QuestionBatch
    ) -> Drawings:
        data: QuestionData = trainer.datamodule  # type: ignore[attr-defined]
        questions = data.questions("val")
        drawn: dict[int, tuple[int, Any]] = {}
        for row, maps in enumerate(glimpse_maps(pl_module.model, batch)[:, 0]):
            image_id, question = int(batch.image_ids[row]), questions[int(batch.question_ids[row, 0])]
            if image_id in drawn:  # an image with many questions stands in several rows
                continue
            names = [f"glimpse {g + 1}" for g in range(len(maps))]
            asked = f"{question.text} {outputs['given'][question.id].answer}"
            strip = partial(word_strip, words=names, maps=maps, quantity=asked, same_range=False)
            drawn[image_id] = question.id, strip
        return drawn
