"""What the model answers to the same few questions, beside what people answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.media import log_figures, log_table, thumbnails
from whysaid.callbacks.vqa_metrics import VQAMetrics
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.vqa import Question
from whysaid.errors import UserError
from whysaid.figures.caption_sheet import Captioned, caption_sheet
from whysaid.metrics.vqa import GivenAnswer, accuracy

COLUMNS = ["image", "question_id", "question", "answer", "confidence", "right", "accuracy", "others"]


class AnswerTable(Callback):
    """Logs the table `<split>/answers` after every validation and the test: a question of each of a few images.

    After the test the same stands in `figures/answers_<split>.png`, wrong answers in red. What was answered is what
    VQAMetrics keeps, wherever it stands among the callbacks.

    Args:
        folder: the run directory.
        images: so many of the split that can be read; of each, another one of its questions than of the image before.
    """

    def __init__(self, folder: str, images: int = 16):
        self.folder, self.images = Path(folder), images

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        _metrics(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            self._log(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            data: QuestionData = trainer.datamodule  # type: ignore[attr-defined]
            shown = self._log(trainer, data.evaluated)
            sheet = caption_sheet([_captioned(photo, q, given) for photo, q, given in shown.values()])
            log_figures(trainer, f"{data.evaluated}/answer_sheet", {f"answers_{data.evaluated}": sheet}, self.folder)

    def _log(self, trainer: pl.Trainer, split: str) -> dict[int, tuple[Image.Image, Question, GivenAnswer]]:
        """Logs the table; returns what it shows, by question id."""
        data: QuestionData = trainer.datamodule  # type: ignore[attr-defined]
        given = _metrics(trainer).given
        chosen = {}
        for number, image in enumerate(data.images(split)):
            answered = [question for question in image.questions if question.id in given]
            if answered:
                chosen[image.id] = answered[number % len(answered)]
        photos = thumbnails((image for image in data.images(split) if image.id in chosen), self.images)
        shown = {chosen[i].id: (photo, chosen[i], given[chosen[i].id]) for i, photo in photos.items()}
        log_table(trainer, f"{split}/answers", COLUMNS, [_row(*one) for one in shown.values()])
        return shown


def with_confidence(given: GivenAnswer, first: int = 0) -> str:
    """`red 0.71, blue 0.20` from the answer at the place `first` on."""
    return ", ".join(f"{answer} {p:.2f}" for answer, p in given.ranked[first:])


def _row(photo: Image.Image, question: Question, given: GivenAnswer) -> list[Any]:
    worth = accuracy(given.answer, question.answers)
    answer, sure = given.answer, given.confidence
    return [photo, question.id, question.text, answer, sure, question.answer, worth, with_confidence(given, first=1)]


def _captioned(photo: Image.Image, question: Question, given: GivenAnswer) -> Captioned:
    worth = accuracy(given.answer, question.answers)
    asked, said = question.text.split(), given.answer.split()
    return Captioned(
        image=np.asarray(photo) / 255,
        caption=" ".join([*asked, *said]),
        references=[f"people: {_shares(question)}", f"also: {with_confidence(given, first=1)}"],
        wrong=range(len(asked), len(asked) + len(said)) if worth == 0 else (),
        score=f"confidence {given.confidence:.2f}, accuracy {worth:.1f}",
    )


def _shares(question: Question) -> str:
    """`red 9, pink 1`."""
    counts: Mapping[str, int] = {answer: question.answers.count(answer) for answer in question.answers}
    return ", ".join(f"{answer} {n}" for answer, n in sorted(counts.items(), key=lambda pair: -pair[1])[:4])


def _metrics(trainer: pl.Trainer) -> VQAMetrics:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, VQAMetrics):
            return callback
    raise UserError("the table of answers shows what callbacks.metrics scores: keep it, or set callbacks.answers=null")
