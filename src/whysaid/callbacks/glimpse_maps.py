"""Draws where the model looked as it answered: its glimpses."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl

from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.callbacks.first_images import Drawings, FirstImages
from whysaid.callbacks.lightning import data_of
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.datamodule import QuestionData
from whysaid.figures.word_strip import word_strip
from whysaid.tasks.vqa import Answering


class GlimpseMaps(FirstImages):
    """Draws the glimpses of the first question about each of the first validation images: `val/glimpses`.

    The names of the files end with the question's id.

    Args:
        folder: the run directory.
        images: how many images of the first validation batch are drawn, from the first on.
        every_n_epochs: epochs of training between two drawings.
    """

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1):
        super().__init__("glimpses", folder, images, every_n_epochs)

    def drawings(
        self, trainer: pl.Trainer, pl_module: Answering, outputs: Mapping[str, Any], batch: QuestionBatch
    ) -> Drawings:
        data: QuestionData = data_of(trainer)
        questions = data.questions("val")
        drawn: dict[int, tuple[int, Any]] = {}
        for row, maps in enumerate(glimpse_maps(pl_module.model, batch)[:, 0]):
            image_id, question = int(batch.image_ids[row]), questions[int(batch.question_ids[row, 0])]
            if image_id in drawn:  # an image with many questions stands in several rows
                continue
            names = [f"glimpse {g + 1}" for g in range(len(maps))]
            title = f"{question.text} {outputs['answers'][question.id].answer}"
            strip = partial(word_strip, words=names, maps=maps, quantity=title, same_range=False)
            drawn[image_id] = question.id, strip
        return drawn
