"""Scores the captions of every validation and test, once, on rank 0, whatever the number of processes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.across import broadcast, gather
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
        val: metrics of each validation, quick ones; by name, or a list.
        test: metrics of the test.
        cache_dir: where tokenised references are kept.
        folder: the run directory; `predictions_<split>.json` is written to it after a test.
        baselines: also score, in the test, a held-out reference and the most frequent training caption.

    Attributes:
        captions: image id → caption of the split scored last; on rank 0 of all processes.
        scores: of the split scored last, on rank 0.
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
        self._score(trainer, pl_module, "test", trainer.datamodule.evaluated)  # type: ignore[attr-defined]

    def _score(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str, split: str) -> None:
        self.captions = gather(self.captions)
        logged: dict[str, float] = {}
        if trainer.is_global_zero:
            data: CaptionData = trainer.datamodule  # type: ignore[attr-defined]
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
        references = {i: references[i] for i in self.captions}
        scorer = self.scorers["val"]
        human = human_baseline(references, scorer)
        said = majority_caption(caption for image in data.images("train") for caption in image.captions)
        majority = scorer.score(dict.fromkeys(references, said), references)
        return {f"{name}_human": value for name, value in human.corpus.items()} | {
            f"{name}_majority": value for name, value in majority.corpus.items()
        }

    def _write(self, references: Mapping[int, Sequence[str]], object_words: ObjectWords, split: str) -> None:
        """What CHAIR and the studies start from: caption, objects, references and scores of every image."""
        records = caption_records(dict(sorted(self.captions.items())), references, object_words)
        for record in records:
            i = record["image_id"]
            record["scores"] = {name: values[i] for name, values in self.scores.per_image.items() if i in values}
        (self.folder / f"predictions_{split}.json").write_text(json.dumps(records, indent=1))


def caption_metrics_of(trainer: pl.Trainer) -> CaptionMetrics:
    """The callback that scores this trainer's captions and keeps them; UserError without it."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, CaptionMetrics):
            return callback
    raise UserError(
        "callbacks.captions and callbacks.hallucination show what callbacks.metrics scores: "
        "keep it, or set both to null"
    )
