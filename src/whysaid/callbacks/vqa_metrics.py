"""Scores the answers of every validation and test, once, on rank 0, whatever the number of processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.across import broadcast, gather_by_id
from whysaid.callbacks.lightning import data_of, tested_split
from whysaid.callbacks.results_file import note_unscored, write_results
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.vqa import Question
from whysaid.metrics.vqa import GivenAnswer, accuracy, score


class VQAMetrics(Callback):
    """Logs `<split>/vqa_accuracy` of the answers and keeps the answers for other callbacks.

    The test also logs the accuracy of each type of question and of answer, and writes `predictions_<split>.json`, a
    results file as the VQA evaluation reads it, with more about each answer. Where the answers of a test split are not
    published, it is the results file that VQA's server takes, and nothing is scored.

    Args:
        folder: the run directory.

    Attributes:
        answers: question id → answer, of the split that was scored last; on rank 0 those of all processes.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.answers: dict[int, GivenAnswer] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.answers = {}

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.answers = {}

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.answers.update(outputs["answers"])

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.answers.update(outputs["answers"])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._score(trainer, pl_module, "val", by_type=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._score(trainer, pl_module, tested_split(trainer), by_type=True)

    def _score(self, trainer: pl.Trainer, pl_module: pl.LightningModule, split: str, by_type: bool) -> None:
        """Scores the answers of all processes on rank 0, and logs the same values on each of them."""
        self.answers = gather_by_id(self.answers)
        logged: dict[str, float] = {}
        if trainer.is_global_zero:
            questions = _questions(trainer, split)
            if by_type:
                results = [{"question_id": i, "answer": a.answer} for i, a in sorted(self.answers.items())]
                write_results(results, self.folder, split)  # before anything that can fail
            if any(questions[i].answers for i in self.answers):
                logged = score(self.answers, questions, by_type)
                if by_type:
                    self._write(questions, split)
            else:
                note_unscored(split)
        pl_module.log_dict(
            {f"{split}/{name}": value for name, value in broadcast(logged).items()}, rank_zero_only=False
        )

    def _write(self, questions: Mapping[int, Question], split: str) -> None:
        """Writes `predictions_<split>.json`, by question id, with all that is known of each answer."""
        records: list[dict[str, Any]] = []
        for i, answer in sorted(self.answers.items()):
            record = {"question_id": i, "answer": answer.answer, "confidence": answer.confidence}
            record |= {"question": questions[i].text, "right": questions[i].answer}
            record |= {"accuracy": accuracy(answer.answer, questions[i].answers), "ranked": answer.ranked}
            if answer.choice is not None:
                record["multiple_choice"] = questions[i].choices[answer.choice]
            records.append(record)
        write_results(records, self.folder, split)


def _questions(trainer: pl.Trainer, split: str) -> Mapping[int, Question]:
    """Returns question id → question of a split."""
    data: QuestionData = data_of(trainer)
    return data.questions(split)
