"""Do captions say only what is there, and as much of it? CHAIR beside recall, and beside controls that say less.

CHAIR falls when a captioner says less: captions cut at ten words have a lower CHAIR, and may have a higher CIDEr too.
So a claim is judged at its recall, on the same images, by intervals of the paired differences.

G images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import get_method, instantiate

from whysaid.data.captions.datamodule import CaptionData
from whysaid.errors import UserError
from whysaid.metrics.caption_statistics import CaptionStatistics
from whysaid.metrics.hallucination import Hallucination
from whysaid.metrics.score import chosen_metrics
from whysaid.metrics.scorer import CaptionScorer
from whysaid.studies.common.captioned import object_words
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.statistics import draws_of_images
from whysaid.studies.hallucination.outcome import RowScores, outcome_of
from whysaid.studies.hallucination.resampling import ScoredCaptions, pooled_statistics
from whysaid.studies.hallucination.systems import (
    Captions,
    MakeWriter,
    System,
    changed_captions,
    claimed_systems,
    control_values,
    sampled_systems,
    say,
)
from whysaid.tasks.writer import Writer

BASELINE = "baseline"
"""The row of the checkpoint and the decoding that are evaluated."""


class Row(NamedTuple):
    """What K checkpoints say of each image; and the family of controls that the row is one of, empty for a claim."""

    captions: Sequence[Captions]
    control: str = ""


class HallucinationRates:
    """Scores rows of captions of the same images, and says of each whether it hallucinates less at no lower recall.

    Args:
        writer: name of the function that builds what captions a row, see `MakeWriter`.
        ckpt, decoding: what is evaluated: the checkpoint, and the configuration of its decoding.
        metric: the configuration of `Hallucination`.
        rows: name → `ckpt` (a path, or a list for an ensemble) or `seeds` (checkpoints that were trained alike, whose
            captions are pooled), and `decoding`, laid over the evaluated one or, with a target, in place of it. None
            leaves a row out.
        controls: of the baseline's captions: `cut` at so many words, drawn at a `temperature`, `drop` of the least
            probable object where it is less probable than this. None leaves one out.
        scores: configurations of further metrics; a score that each image has by itself becomes a column.
        against: the row that all others are compared with.
        margin: of recall that a row may at worst lose, in [0, 1].
        cache_dir: where tokenised references are kept; None keeps nothing.
        images: of the split, drawn by `seed`; None takes all.
        batch_size: images captioned at once.
        seed: of the draws of images, words and bootstrap samples.

    Raises UserError: a row or control is of no such kind, or `against` is none of the rows.
    """

    def __init__(
        self,
        writer: str,
        ckpt: str | Sequence[str],
        decoding: Mapping[str, Any],
        metric: Mapping[str, Any],
        rows: Mapping[str, Mapping[str, Any] | None] | None = None,
        controls: Mapping[str, Sequence[float] | None] | None = None,
        scores: Mapping[str, Mapping[str, Any] | None] | None = None,
        against: str = BASELINE,
        margin: float = 0.02,
        cache_dir: str | None = None,
        images: int | None = None,
        batch_size: int = 50,
        seed: int = 0,
    ):
        self.claims, self.controls = claimed_systems(rows or {}), control_values(controls or {})
        names = [claim.name for claim in self.claims]
        if BASELINE in names:
            raise UserError(f"study.rows.{BASELINE} is what is evaluated itself: give the row another name")
        if against not in (BASELINE, *names):
            raise UserError(f"study.against={against} is none of the rows ({', '.join((BASELINE, *names))})")
        self.writer, self.ckpt, self.decoding, self.metric = writer, ckpt, decoding, metric
        self.scores, self.against, self.margin, self.cache_dir = scores or {}, against, margin, cache_dir
        self.images, self.batch_size, self.seed = images, batch_size, seed

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: the data name no objects, no image can be judged, or a row cannot be captioned."""
        object_words(data)
        metric: Hallucination = instantiate(self.metric, _convert_="all")
        rows = self._captioned(task, data, metric)
        references = data.references(data.evaluated)
        ids = _judged(rows, references, metric)
        times = draws_of_images(len(ids), self.seed)
        scored = {}
        for name, row in rows.items():
            members = [self._scored({i: said[i] for i in ids}, references, metric) for said in row.captions]
            apart = [pooled_statistics([member], metric.min_count) for member in members] if len(members) > 1 else []
            scored[name] = RowScores(
                row.control,
                {score: of(times) for score, of in pooled_statistics(members, metric.min_count).items()},
                [{score: float(of(times[:1])[0]) for score, of in seed.items()} for seed in apart],
            )
        outcome = outcome_of(scored, self.against, self.margin, data.evaluated)
        outcome.details = {"captions": {name: list(row.captions) for name, row in rows.items()}}
        outcome.notes = [f"{len(ids)} images; what says that an object is there: {metric.truth}.", *outcome.notes]
        return outcome

    def _captioned(self, task: Writer, data: CaptionData, metric: Hallucination) -> dict[str, Row]:
        """What every row says, in the order of the table."""
        said = say(task, data, self.images, self.seed, self.batch_size)
        rows = {BASELINE: Row([{i: caption.caption for i, caption in said.items()}])}
        changed = changed_captions(said, self.controls, metric.object_words)
        rows |= {name: Row([captions], control) for name, (control, captions) in changed.items()}
        for system in (*sampled_systems(self.controls["temperature"]), *self.claims):
            rows[system.name] = Row(self._said_by(system, task, data), system.control)
        return rows

    def _said_by(self, system: System, task: Writer, data: CaptionData) -> list[Captions]:
        build: MakeWriter = get_method(self.writer)
        captions = []
        for ckpt in system.checkpoints or [self.ckpt]:
            writer, seen_by_it = build(ckpt, data, self.decoding, system.decoding)
            said = say(writer.to(task.device), seen_by_it, self.images, self.seed, self.batch_size)
            captions.append({i: caption.caption for i, caption in said.items()})
        return captions

    def _scored(
        self, captions: Captions, references: Mapping[int, Sequence[str]], metric: Hallucination
    ) -> ScoredCaptions:
        metrics = chosen_metrics(instantiate(self.scores, _convert_="all"))
        per_image = CaptionScorer([*metrics, CaptionStatistics()], self.cache_dir).score(captions, references).per_image
        scores = {name: [values[i] for i in captions] for name, values in per_image.items()}
        return ScoredCaptions(metric.records(captions, references), scores)


def _judged(rows: Mapping[str, Row], references: Mapping[int, Sequence[str]], metric: Hallucination) -> list[int]:
    """Ids of the images that all rows caption and of which the truth is known; UserError where there are none."""
    common = set.intersection(*(set(said) for row in rows.values() for said in row.captions))
    ids = [record["image_id"] for record in metric.records(dict.fromkeys(sorted(common), ""), references)]
    if not ids:
        raise UserError(
            f"metrics.truth={metric.truth}, and none of the images is annotated: set metrics.annotations to the folder "
            "of their instances_*.json, or metrics.truth=references"
        )
    return ids
