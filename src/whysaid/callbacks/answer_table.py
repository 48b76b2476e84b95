"""Shows what the model answers to the same few questions of each validation, beside what people answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.lightning import callbacks_of, data_of
from whysaid.callbacks.media import log_figures, log_table, thumbnails
from whysaid.callbacks.vqa_metrics import VQAMetrics
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.vqa import Question
from whysaid.errors import UserError
from whysaid.figures.caption_sheet import Captioned, caption_sheet
from whysaid.figures.marks import WRONG_ANSWER
from whysaid.metrics.vqa import GivenAnswer, accuracy

COLUMNS = ["image", "question_id", "question", "answer", "confidence", "right", "accuracy", "others"]


class AnswerTable(Callback):
    """Logs the table `<split>/answers` after every validation and the test: one question about each of a few images.

    After the test the same stands in `figures/answers_<split>.png`, wrong answers marked. The answers are those that
    `VQAMetrics` keeps, wherever it stands among the callbacks.

    Args:
        folder: the run directory.
        images: how many of the split's images are shown. The first that can be read are taken; the nth shows its nth
            answered question, so that questions of all types are among them.
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
            data: QuestionData = data_of(trainer)
            rows = self._log(trainer, data.evaluated)
            sheet = caption_sheet([_captioned(*row) for row in rows], WRONG_ANSWER)
            log_figures(trainer, f"{data.evaluated}/answer_sheet", {f"answers_{data.evaluated}": sheet}, self.folder)

    def _log(self, trainer: pl.Trainer, split: str) -> list[tuple[Image.Image, Question, GivenAnswer]]:
        """Logs the table; returns the photo, the question and the answer of each row."""
        data: QuestionData = data_of(trainer)
        answers = _metrics(trainer).answers
        chosen = {}
        for number, image in enumerate(data.images(split)):
            answered = [question for question in image.questions if question.id in answers]
            if answered:
                chosen[image.id] = answered[number % len(answered)]
        photos = thumbnails((image for image in data.images(split) if image.id in chosen), self.images)
        rows = [(photo, chosen[i], answers[chosen[i].id]) for i, photo in photos.items()]
        log_table(trainer, f"{split}/answers", COLUMNS, [_cells(*row) for row in rows])
        return rows


def with_confidence(answer: GivenAnswer, first: int = 0) -> str:
    """Writes the likeliest answers, from the place `first` on, with their probabilities: `red 0.71, blue 0.20`."""
    return ", ".join(f"{text} {p:.2f}" for text, p in answer.ranked[first:])


def _cells(photo: Image.Image, question: Question, answer: GivenAnswer) -> list[Any]:
    """Returns a row of the table, in the order of `COLUMNS`."""
    worth, others = _worth(question, answer), with_confidence(answer, first=1)
    return [photo, question.id, question.text, answer.answer, answer.confidence, question.answer, worth, others]


def _captioned(photo: Image.Image, question: Question, answer: GivenAnswer) -> Captioned:
    """Returns a tile of the sheet: the question and the answer in one line, beneath them what people answered."""
    worth = _worth(question, answer)
    question_words, answer_words = question.text.split(), answer.answer.split()
    words = [*question_words, *answer_words]
    return Captioned(
        image=np.asarray(photo) / 255,
        caption=" ".join(words),
        references=[
            *([f"reference: {_counted(question)}"] if question.answers else []),
            f"also: {with_confidence(answer, first=1)}",
        ],
        wrong=range(len(question_words), len(words)) if worth == 0 else (),
        score=f"confidence {answer.confidence:.2f}" + ("" if worth is None else f", accuracy {worth:.1f}"),
    )


def _worth(question: Question, answer: GivenAnswer) -> float | None:
    """Returns the accuracy of an answer; None where people's answers are not published."""
    return accuracy(answer.answer, question.answers) if question.answers else None


def _counted(question: Question) -> str:
    """Writes the four most frequent answers of people, with how many gave each: `red 9, pink 1`."""
    counts: Mapping[str, int] = {answer: question.answers.count(answer) for answer in question.answers}
    return ", ".join(f"{answer} {n}" for answer, n in sorted(counts.items(), key=lambda pair: -pair[1])[:4])


def _metrics(trainer: pl.Trainer) -> VQAMetrics:
    """Returns the callback that keeps this trainer's answers; raises UserError without it."""
    for metrics in callbacks_of(trainer, VQAMetrics):
        return metrics
    raise UserError("the table of answers shows what callbacks.metrics scores: keep it, or set callbacks.answers=null")
