"""Scores the captions of every validation and test, once, on rank 0, whatever the number of processes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.across import broadcast, gather_by_id
from whysaid.callbacks.lightning import callbacks_of, data_of, tested_split
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.baselines import human_baseline, majority_caption
from whysaid.metrics.hallucination import caption_records
from whysaid.metrics.score import MetricChoice, chosen_metrics
from whysaid.metrics.scorer import CaptionScorer, Scores


class CaptionMetrics(Callback):
    """Logs `<split>/<metric>` of freely written captions and keeps them for other callbacks.

    Args:
        val: metrics of each validation, quick ones; a mapping from name to metric, or a list.
        test: metrics of the test, likewise.
        cache_dir: folder in which tokenised references are kept.
        folder: the run directory; `predictions_<split>.json` is written to it after a test.
        baselines: whether the test also scores a held-out reference and the most frequent training caption.

    Attributes:
        captions: image id → caption, of the split that was scored last; on rank 0 those of all processes.
        scores: scores of the split that was scored last, on rank 0 alone.
    """

    def __init__(self, val: MetricChoice, test: MetricChoice, cache_dir: str, folder: str, baselines: bool = True):
        self.scorers = {
            "val": CaptionScorer(chosen_metrics(val), cache_dir),
            "test": CaptionScorer(chosen_metrics(test), cache_dir),
        }
        self.folder, self.baselines = Path(folder), baselines
        self.captions: dict[int, str] = {}
        self.scores = Scores()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.captions = {}

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.captions = {}

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.captions.update(outputs["captions"])

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.captions.update(outputs["captions"])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._score(trainer, pl_module, "val", "val")

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._score(trainer, pl_module, "test", tested_split(trainer))

    def _score(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str, split: str) -> None:
        """Scores the captions of all processes on rank 0, and logs the same values on each of them.

        Args:
            stage: `val` or `test`, which chooses the metrics.
            split: the split that the captions are of, the first part of the logged names.
        """
        self.captions = gather_by_id(self.captions)
        logged: dict[str, float] = {}
        if trainer.is_global_zero:
            data: CaptionData = data_of(trainer)
            references = data.references(split)
            self.scores = self.scorers[stage].score(self.captions, references)
            logged = dict(self.scores.corpus)
            if stage == "test" and self.baselines:
                logged |= self._baselines(data, references)
            if stage == "test":
                self._write(references, data.object_words or ObjectWords({}), split)
        logged = broadcast(logged)
        pl_module.log_dict({f"{split}/{name}": value for name, value in logged.items()}, rank_zero_only=False)

    def _baselines(self, data: CaptionData, references: Mapping[int, Sequence[str]]) -> dict[str, float]:
        """Returns `<metric>_human` and `<metric>_majority`, by the metrics of a validation."""
        references = {i: references[i] for i in self.captions}
        scorer = self.scorers["val"]
        human = human_baseline(references, scorer)
        most_frequent = majority_caption(caption for image in data.images("train") for caption in image.captions)
        majority = scorer.score(dict.fromkeys(references, most_frequent), references)
        return {f"{name}_human": value for name, value in human.corpus.items()} | {
            f"{name}_majority": value for name, value in majority.corpus.items()
        }

    def _write(self, references: Mapping[int, Sequence[str]], object_words: ObjectWords, split: str) -> None:
        """Writes what CHAIR and the studies start from: caption, objects, references and scores of each image."""
        records = caption_records(dict(sorted(self.captions.items())), references, object_words)
        for record in records:
            i = record["image_id"]
            record["scores"] = {name: values[i] for name, values in self.scores.per_image.items() if i in values}
        (self.folder / f"predictions_{split}.json").write_text(json.dumps(records, indent=1))


def caption_metrics_of(trainer: pl.Trainer) -> CaptionMetrics:
    """Returns the callback that scores this trainer's captions and keeps them; raises UserError without it."""
    for metrics in callbacks_of(trainer, CaptionMetrics):
        return metrics
    raise UserError(
        "callbacks.captions and callbacks.hallucination show what callbacks.metrics scores: "
        "keep it, or set both to null"
    )
