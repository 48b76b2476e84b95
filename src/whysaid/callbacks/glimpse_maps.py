"""Draws where the model looked as it answered: its glimpses."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl

from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.callbacks.first_images import Drawings, FirstImages
from whysaid.callbacks.lightning import data_of
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.datamodule import QuestionData
from whysaid.figures.word_strip import word_strip
from whysaid.models.saaa import SAAA
from whysaid.tasks.answerer import Answerer


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
        self, trainer: pl.Trainer, pl_module: Answerer, outputs: Mapping[str, Any], batch: QuestionBatch
    ) -> Drawings:
        data: QuestionData = data_of(trainer)
        questions = data.questions("val")
        drawn: dict[int, tuple[int, Any]] = {}
        for row, maps in enumerate(glimpse_maps(cast(SAAA, pl_module.model), batch)[:, 0]):
            image_id, question = int(batch.image_ids[row]), questions[int(batch.question_ids[row, 0])]
            if image_id in drawn:  # an image with many questions stands in several rows
                continue
            names = [f"glimpse {g + 1}" for g in range(len(maps))]
            strip = partial(
                word_strip,
                words=names,
                maps=maps,
                quantity="glimpse",
                same_range=False,
                title=f"Glimpses, where the model looked: {type(pl_module.model).__name__}, question {question.id}",
                caption=[*question.text.split(), *outputs["answers"][question.id].answer.split()],
                uniform=1 / maps[0].size,
            )
            drawn[image_id] = question.id, strip
        return drawn
