"""Does tuning with explanations make a captioner hallucinate less? Tables 4 and 5 of Sun et al. 2020.

S seeds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import get_method, instantiate
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import t as student

from whysaid.checkpoint import fit_weights, read_checkpoint
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.kept import kept, load_json, save_json
from whysaid.data.files.table import TableValue
from whysaid.errors import UserError
from whysaid.figures.bars import Bar, bars
from whysaid.metrics.score import chosen_metrics
from whysaid.metrics.scorer import CaptionScorer
from whysaid.metrics.tokenizer import Tokenizer
from whysaid.studies.common.captioned import caption_split
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.statistics import LEVEL, Interval
from whysaid.studies.finetuning.tuning import Run, Tuning
from whysaid.tasks.writer import Writer

BEFORE = "before"

_SCORES = ("BERTScore-F1", "CIDEr", "SPICE", "ROUGE-L", "METEOR", "object_mAP")

PAPER: dict[str, dict[str, dict[str, float]]] = {
    "Adaptive": {
        BEFORE: {"BERTScore-F1": 0.9119, "CIDEr": 0.8775, "SPICE": 0.2028, "ROUGE-L": 0.5579, "METEOR": 0.2661},
        "xe": dict(zip(_SCORES, (0.9122, 0.8768, 0.2030, 0.5599, 0.2647, 0.6353), strict=True)),
        "lrp": dict(zip(_SCORES, (0.9123, 0.8822, 0.2031, 0.5599, 0.2649, 0.6458), strict=True)),
    },
    "GridTD": {
        BEFORE: {"BERTScore-F1": 0.9125, "CIDEr": 0.9067, "SPICE": 0.2049, "ROUGE-L": 0.5641, "METEOR": 0.2704},
        "xe": dict(zip(_SCORES, (0.9120, 0.8907, 0.2041, 0.5618, 0.2689, 0.6413), strict=True)),
        "lrp": dict(zip(_SCORES, (0.9120, 0.8921, 0.2040, 0.5618, 0.2690, 0.6419), strict=True)),
    },
}
"""Tables 1, 4 and 5 (COCO 2017, VGG16): captioner → tuning → scores."""


@dataclass(frozen=True)
class Scored:
    """What the captions of one training scored, by metric; None of the captioner before any."""

    tuning: str
    run: Run | None
    scores: dict[str, float]


class Finetuning:
    """Tunes the captioner of a checkpoint in several ways, each with the same seeds, and scores all in the same way.

    Args:
        train: name of the function that trains.
        ckpt: the checkpoint, where all trainings start.
        data, decoding: configurations of what the checkpoint is evaluated with; trainings get the same.
        tunings: name → what `Tuning` takes, or None to leave one out.
        common: laid over all of them.
        seeds: S ≥ 2 of them, of order, draws and dropout.
        against: the tuning that gains are over.
        runs: folder of the trainings.
        scores: configurations of caption metrics.
        shown: those of their names that the table has.
        cache_dir: where tokenised references are kept; None keeps nothing.
        tokenizer: `ptb` or `words`, of captions before they are scored.
        images: of the split that are captioned, drawn by `seed`; None takes all.
        batch_size: images captioned at once.
        seed: of the draw of images.

    Raises UserError: fewer than two seeds, no tuning, or `against` is none of them.
    """

    def __init__(
        self,
        train: str,
        ckpt: str,
        data: Mapping[str, Any],
        decoding: Mapping[str, Any],
        tunings: Mapping[str, Mapping[str, Any] | None],
        seeds: Sequence[int],
        runs: str,
        scores: Mapping[str, Mapping[str, Any] | None] | Sequence[Mapping[str, Any]],
        shown: Sequence[str],
        against: str = "xe",
        common: Mapping[str, Any] | None = None,
        cache_dir: str | None = None,
        tokenizer: Tokenizer = "ptb",
        images: int | None = None,
        batch_size: int = 50,
        seed: int = 0,
    ):
        self.tunings = {name: _over(tuning, common or {}) for name, tuning in tunings.items() if tuning is not None}
        if against not in self.tunings:
            raise UserError(f"study.against={against} is none of study.tunings ({', '.join(self.tunings)})")
        if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
            raise UserError(f"study.seeds={list(seeds)}: give at least two different ones, for the spread is over them")
        self.train, self.ckpt, self.data, self.decoding, self.runs = train, ckpt, data, decoding, Path(runs)
        self.seeds, self.against, self.shown, self.cache_dir = list(seeds), against, list(shown), cache_dir
        self.scores, self.images, self.batch_size, self.seed = scores, images, batch_size, seed
        self.tokenizer = tokenizer

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: several checkpoints, or a metric in `shown` that nothing scores."""
        captioner = task.single_captioner
        if not isinstance(self.ckpt, str):
            raise UserError("study=finetuning starts from one checkpoint: give ckpt= one path")
        metrics = chosen_metrics(instantiate(self.scores, _convert_="all"))
        scorer = CaptionScorer(metrics, self.cache_dir, self.tokenizer)
        unknown = set(self.shown) - {name for metric in scorer.metrics for name in metric.names}
        if unknown:
            raise UserError(f"study.shown: {', '.join(sorted(unknown))} is of no metric in study.scores")
        tune = Tuning(get_method(self.train), self.ckpt, self.data, self.decoding, self.runs)
        references = data.references(data.evaluated)
        scored = [Scored(BEFORE, None, scorer.score(self._captions(task, data), references).corpus)]
        for seed in self.seeds:  # seed by seed: a killed study has whole comparisons
            for name, tuning in self.tunings.items():
                run = tune(name, tuning, seed)
                fit_weights(captioner, read_checkpoint(run.checkpoint))
                captions = self._stored(run, task, data)
                scored.append(Scored(name, run, scorer.score(captions, references).corpus))
        return self._outcome(scored, type(captioner).__name__, data.evaluated)

    def _stored(self, run: Run, task: Writer, data: CaptionData) -> dict[int, str]:
        """The captions of a training, from its folder where they were written before."""
        limits = (data.evaluated, self.images, self.seed, self.decoding, self.data)
        mark = hashlib.blake2b(json.dumps(limits, sort_keys=True).encode(), digest_size=4).hexdigest()
        path = run.folder / f"captions_{data.evaluated}_{mark}.json"
        return kept(path, _load_captions, lambda: self._captions(task, data), save_json)

    def _captions(self, task: Writer, data: CaptionData) -> dict[int, str]:
        task.eval()
        batches = caption_split(task, data, self.images, self.seed, self.batch_size)
        return {i: " ".join(words) for batch in batches for i, words in zip(batch.ids, batch.captions, strict=True)}

    def _outcome(self, scored: list[Scored], captioner: str, split: str) -> Outcome:
        rows = [self._row(name, scored, captioner) for name in (BEFORE, *self.tunings)]
        metrics = {
            f"{split}/{metric}{kind}_{row['tuning']}": float(value)
            for row in rows
            for metric in self.shown
            for kind in ("", "_gain")
            if isinstance(value := row[f"{metric}{kind}"], float)
        }
        seconds = {name: [s.run.seconds for s in scored if s.tuning == name and s.run] for name in self.tunings}
        took = ", ".join(f"{name} {np.mean(values):.0f} s" for name, values in seconds.items())
        notes = [
            f"{len(self.seeds)} seeds ({', '.join(map(str, self.seeds))}), all from {self.ckpt}; sd: over seeds; gain: "
            f"over {self.against}, seed by seed, with its 95 % t-interval.",
            f"A training took {took} on average.",
        ]
        if captioner in PAPER:
            notes.append("paper: Tables 1, 4 and 5 of Sun et al. 2020, COCO 2017 with VGG16.")
        return Outcome(
            rows=rows,
            metrics=metrics,
            figures={"": self._figure(rows, scored)},
            details={"runs": [_plain(training) for training in scored]},
            notes=notes,
        )

    def _row(self, name: str, scored: list[Scored], captioner: str) -> dict[str, TableValue]:
        row: dict[str, TableValue] = {"tuning": name}
        published = PAPER.get(captioner, {}).get(name, {})
        for metric in self.shown:
            values = _values(scored, name, metric)
            row[metric] = _known(np.mean(values))
            row[f"{metric}_sd"] = _known(np.std(values, ddof=1)) if len(values) > 1 else None
            paired = name not in (BEFORE, self.against)
            gain = paired_gain(values, _values(scored, self.against, metric)) if paired else Interval(*[np.nan] * 3)
            row |= {key: _known(value) for key, value in gain.columns(f"{metric}_gain").items()}
            if captioner in PAPER:
                row[f"{metric}_paper"] = published.get(metric)
        return row

    def _figure(self, rows: list[dict[str, TableValue]], scored: list[Scored]) -> Figure:
        """Draws means over seeds; the lines go from the lowest to the highest."""
        shown: dict[str, dict[str, Bar]] = {metric: {} for metric in self.shown}
        for name in (str(row["tuning"]) for row in rows):
            for metric, group in shown.items():
                values = _values(scored, name, metric)
                group[name] = (float(np.mean(values)), min(values), max(values))
        note = f"Means over {len(self.seeds)} seeds; lines: from the lowest to the highest seed."
        return bars(shown, "score", BEFORE, note)


def _values(scored: list[Scored], name: str, metric: str) -> list[float]:
    """What the seeds of a tuning scored, in their order; NaN where captions mention nothing that could be scored."""
    return [training.scores.get(metric, np.nan) for training in scored if training.tuning == name]


def _known(value: float | np.floating) -> float | None:
    return None if np.isnan(value) else float(value)


def paired_gain(values: ArrayLike, others: ArrayLike) -> Interval:
    """The mean difference of S ≥ 2 pairs, with Student's 95 % interval of a mean of so few."""
    difference = np.asarray(values, float) - np.asarray(others, float)
    mean, number = float(difference.mean()), len(difference)
    half = float(student.ppf((1 + LEVEL) / 2, number - 1) * difference.std(ddof=1) / np.sqrt(number))
    return Interval(mean, mean - half, mean + half)


def _over(tuning: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """A tuning's own values over those of all."""
    merged: dict[str, Any] = dict(common)
    for name, value in tuning.items():
        below = merged.get(name)
        merged[name] = _over(value, below) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def _load_captions(path: Path) -> dict[int, str]:
    """Reads image id → caption; ValueError where they are none."""
    captions = {int(i): caption for i, caption in load_json(path).items()}
    if not all(isinstance(caption, str) for caption in captions.values()):
        raise ValueError("a caption is no text")
    return captions


def _plain(training: Scored) -> dict[str, Any]:
    if training.run is None:
        return {"tuning": training.tuning, "scores": training.scores}
    where = {"seed": training.run.seed, "folder": str(training.run.folder), "seconds": training.run.seconds}
    return {"tuning": training.tuning, **where, "scores": training.scores}
