"""Scores the answers of every validation and test, once, on rank 0, whatever the number of processes."""

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.across import broadcast, gather
from whysaid.data.questions.datamodule import QuestionData
from whysaid.metrics.vqa import GivenAnswer, accuracy, score


class VQAMetrics(Callback):
    """Logs `<split>/vqa_accuracy` and keeps what was answered for other callbacks.

    In the test also the accuracy of each type of question and of answer, and `predictions_<split>.json`, a results file
    as the VQA evaluation reads it, with more about each answer.

    Args:
        folder: the run directory.

    Attributes:
        given: question id → what was answered, of the split scored last; on rank 0 of all processes.
    """

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.given: dict[int, GivenAnswer] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.given = {}

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.given = {}

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.given.update(outputs["given"])

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.given.update(outputs["given"])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._score(trainer, pl_module, "val", by_type=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        split = trainer.datamodule.evaluated  # type: ignore[attr-defined]
        self._score(trainer, pl_module, split, by_type=True)
        if trainer.is_global_zero:
            self._write(trainer, split)

    def _score(self, trainer: pl.Trainer, pl_module: pl.LightningModule, split: str, by_type: bool) -> None:
        self.given = gather(self.given)
        logged: dict[str, float] = {}
        if trainer.is_global_zero:
            logged = score(self.given, _data(trainer).questions(split), by_type)
        pl_module.log_dict(
            {f"{split}/{name}": value for name, value in broadcast(logged).items()}, rank_zero_only=False
        )

    def _write(self, trainer: pl.Trainer, split: str) -> None:
        questions = _data(trainer).questions(split)
        records: list[dict[str, Any]] = []
        for i, given in sorted(self.given.items()):
            record = {"question_id": i, "answer": given.answer, "confidence": given.confidence}
            record |= {"question": questions[i].text, "right": questions[i].answer}
            record |= {"accuracy": accuracy(given.answer, questions[i].answers), "ranked": given.ranked}
            if given.choice is not None:
                record["multiple_choice"] = questions[i].choices[given.choice]
            records.append(record)
        (self.folder / f"predictions_{split}.json").write_text(json.dumps(records, indent=1))


def _data(trainer: pl.Trainer) -> QuestionData:
    return trainer.datamodule  # type: ignore[attr-defined]
