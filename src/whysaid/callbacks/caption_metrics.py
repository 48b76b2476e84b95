"""Scores the captions of every validation and test, once, on rank 0, whatever the number of processes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.attribution.support.words import SupportedObject
from whysaid.callbacks.across import broadcast, gather_by_id
from whysaid.callbacks.lightning import callbacks_of, data_of, tested_split
from whysaid.callbacks.results_file import note_unscored, write_results
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.baselines import human_baseline, majority_caption
from whysaid.metrics.hallucination import caption_records
from whysaid.metrics.score import MetricChoice, chosen_metrics
from whysaid.metrics.scorer import CaptionScorer, Scores
from whysaid.metrics.tokenizer import Tokenizer


class CaptionMetrics(Callback):
    """Logs `<split>/<metric>` of freely written captions and keeps them for other callbacks.

    Args:
        val: metrics of each validation, quick ones; a mapping from name to metric, or a list.
        test: metrics of the test, likewise.
        cache_dir: folder in which tokenised references are kept.
        folder: the run directory; `predictions_<split>.json` is written to it after a test. Of a split without captions
            it is the results file that COCO's server takes, and nothing is scored.
        baselines: whether the test also scores a held-out reference and the most frequent training caption.
        tokenizer: of predictions and references: `ptb` or `words`.

    Attributes:
        captions: image id → caption, of the split that was scored last; on rank 0 those of all processes.
        scores: scores of the split that was scored last, on rank 0 alone.
        notes: `<split>/<metric>` → what has to be known to read it, likewise.
        support: image id → the objects that its caption names, with their support; empty where the task knows of none.
    """

    def __init__(
        self,
        val: MetricChoice,
        test: MetricChoice,
        cache_dir: str,
        folder: str,
        baselines: bool = True,
        tokenizer: Tokenizer = "ptb",
    ):
        self.scorers = {
            stage: CaptionScorer(chosen_metrics(metrics), cache_dir, tokenizer)
            for stage, metrics in (("val", val), ("test", test))
        }
        self.folder, self.baselines = Path(folder), baselines
        self.captions: dict[int, str] = {}
        self.support: dict[int, list[SupportedObject]] = {}
        self.scores = Scores()
        self.notes: dict[str, str] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.captions, self.support = {}, {}

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.captions, self.support = {}, {}

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.captions.update(outputs["captions"])

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.captions.update(outputs["captions"])
        self.support.update(outputs.get("support", {}))

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
        self.captions, self.support = gather_by_id(self.captions), gather_by_id(self.support)
        logged: dict[str, float] = {}
        if trainer.is_global_zero:
            data: CaptionData = data_of(trainer)
            references = data.references(split)
            if stage == "test":
                results = [{"image_id": i, "caption": caption} for i, caption in sorted(self.captions.items())]
                write_results(results, self.folder, split)  # before anything that can fail
            if stage == "test" and not any(references.values()):
                self.scores = Scores()
                note_unscored(split)
            else:
                logged = self._scored(data, references, stage, split)
        logged = broadcast(logged)
        pl_module.log_dict({f"{split}/{name}": value for name, value in logged.items()}, rank_zero_only=False)

    def _scored(
        self, data: CaptionData, references: Mapping[int, Sequence[str]], stage: str, split: str
    ) -> dict[str, float]:
        """Scores the captions, and after a test writes what is known of each; returns the scores by their names."""
        self.scores = self.scorers[stage].score(self.captions, references)
        logged = dict(self.scores.corpus)
        others = {name: note for name, note in self.notes.items() if not name.startswith(f"{split}/")}
        self.notes = others | {f"{split}/{name}": note for name, note in self.scores.notes.items()}
        if stage == "test":
            self._write(references, data.object_words or ObjectWords({}), split)
        if stage == "test" and self.baselines:
            logged |= self._baselines(data, references)
        return logged

    def _baselines(self, data: CaptionData, references: Mapping[int, Sequence[str]]) -> dict[str, float]:
        """Returns `<metric>_human` and `<metric>_majority`, by the metrics of a validation; without the first where no
        image has two references, and without the second where there are no training captions."""
        references = {i: references[i] for i in self.captions}
        scorer, logged = self.scorers["val"], dict[str, float]()
        if any(len(captions) > 1 for captions in references.values()):
            human = human_baseline(references, scorer)
            logged |= {f"{name}_human": value for name, value in human.corpus.items()}
        train = [caption for image in data.images("train") for caption in image.captions]
        if train:
            majority = scorer.score(dict.fromkeys(references, majority_caption(train)), references)
            logged |= {f"{name}_majority": value for name, value in majority.corpus.items()}
        return logged

    def _write(self, references: Mapping[int, Sequence[str]], object_words: ObjectWords, split: str) -> None:
        """Writes what CHAIR and the studies start from: caption, objects, references and scores of each image.

        Where it is known, `support` is the probability of each of `objects` that it is there.
        """
        records = caption_records(dict(sorted(self.captions.items())), references, object_words)
        for record in records:
            i = record["image_id"]
            if i in self.support:
                record["support"] = [round(named.support, 4) for named in self.support[i]]
            record["scores"] = {name: values[i] for name, values in self.scores.per_image.items() if i in values}
        write_results(records, self.folder, split)


def caption_metrics_of(trainer: pl.Trainer) -> CaptionMetrics:
    """Returns the callback that scores this trainer's captions and keeps them; raises UserError without it."""
    for metrics in callbacks_of(trainer, CaptionMetrics):
        return metrics
    raise UserError(
        "callbacks.captions and callbacks.hallucination show what callbacks.metrics scores: "
        "keep it, or set both to null"
    )
