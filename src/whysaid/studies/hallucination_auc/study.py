"""Do explanations tell hallucinated words from supported ones? Table 3 and Fig. 4–5 of Sun et al. 2020.

M words, D bootstrap draws, H, W pixels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Explanation, Method, speaks_against
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.errors import UserError
from whysaid.figures.bars import Bar, bars
from whysaid.metrics.auc import auc
from whysaid.metrics.hallucination import Hallucination, Truth
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import (
    CaptionedBatch,
    ObjectMention,
    named_objects,
    object_words,
    require_pixels,
    write,
)
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.statistics import DRAWS, LEVEL, Interval, holm
from whysaid.studies.common.word_maps import Group, chosen_methods, groups
from whysaid.studies.hallucination_auc.sheet import HallucinatedSheet
from whysaid.tasks.writer import Writer

Array = NDArray[np.floating]

PAPER = {
    "GridTD": {"L-max": 0.61, "L": 0.64, "G-abs": 0.54, "Att": 0.53, "1-beta": 0.54, "G": 0.45},
    "Adaptive": {"L-max": 0.66, "L": 0.64, "G-abs": 0.58, "Att": 0.51, "1-beta": 0.53, "G": 0.42},
}
"""Table 3 (Flickr30k, VGG16): captioner → score → AUC."""

CHANCE = "chance"

BY = ("mean", "max", "mean_abs", "normalised", "region_max")
"""How the map of a word becomes a number, colours being added before; `normalised`: mean(R / max|R|), which is m − 1 of
LRP-inference (Eq. 11)."""


@dataclass(frozen=True)
class Judged:
    """One object that a caption names, the mean scores of its mentions, and whether it is there."""

    image_id: int
    word: str
    supported: bool
    scores: dict[str, float]


class HallucinationAUC:
    """How often a supported word scores higher than a hallucinated one, by each score of an explanation.

    A caption that names an object twice counts once, with the mean of both scores, whatever its label is.

    Raises UserError: no method or score is left, or a score is of no such kind or of no method.

    Args:
        methods: name → method.
        scores: name → `method`, one of `methods`, and `by`, one of `BY`. Those of methods that are left out are left
            out, and so is the sentinel's where the captioner has none.
        truth, annotations: what says that an object is there; see `Hallucination`.
        images: drawn by `seed`; None takes all of the split.
        more_than: captions that name an object before it counts.
        against: the score that all others are tested against; None is the one with the largest area.
        sheet: hallucinated words in the picture, drawn by `seed`; 0 draws none.
        batch_size: images captioned at once.
        at_once: images explained at once.
        seed: of the draws of images, words and bootstrap samples.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        scores: Mapping[str, Mapping[str, str] | None],
        truth: Truth = "references",
        annotations: str | None = None,
        images: int | None = None,
        more_than: int = 10,
        against: str | None = "L",
        sheet: int = 12,
        batch_size: int = 20,
        at_once: int = 1,
        seed: int = 0,
    ):
        self.methods = chosen_methods(methods)
        self.scores = {name: (one["method"], one["by"]) for name, one in scores.items() if one is not None}
        for name, (method, by) in self.scores.items():
            if by not in BY or method not in methods:
                raise UserError(
                    f"study.scores.{name} is {by} of {method}: take one of {', '.join(BY)} of one of study.methods "
                    f"({', '.join(methods)})"
                )
        if not any(method in self.methods for method, _ in self.scores.values()):
            raise UserError("no score is left: give study.scores one of study.methods")
        self.truth: Truth = truth
        self.annotations, self.images, self.more_than, self.against = annotations, images, more_than, against
        self.sheet, self.batch_size, self.at_once, self.seed = sheet, batch_size, at_once, seed

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: no pixels, or there are not both supported and hallucinated words."""
        captioner = task.single_captioner
        require_pixels(data, captioner)
        metric = Hallucination(object_words(data), truth=self.truth, annotations=self.annotations)
        found: list[Judged] = []
        signed = [name for name, method in self.methods.items() if speaks_against(method)]
        shown = HallucinatedSheet(self.sheet, self.seed, signed)
        methods: dict[str, Method] = {}
        for written in write(task, data, self.images, self.seed, self.batch_size):
            methods = methods or self._applicable(captioner, written)
            for group in groups(written, self._judged(written, metric), self.at_once):
                explained = attribute_all(methods, captioner, group.batch, Targets(group.tokens, group.places))
                found += self._mentions(group, explained)
                shown.add(captioner, group, explained, written)
        scores = [name for name, (method, _) in self.scores.items() if method in methods]
        return self._outcome(
            often_named(found, self.more_than), len(found), scores, shown, type(captioner).__name__, data.evaluated
        )

    def _applicable(self, captioner: Captioner, written: CaptionedBatch) -> dict[str, Method]:
        """The methods that a score is of; without 1 − β where the captioner has no β."""
        with torch.no_grad():
            sentinel = captioner.unroll(written.tokens[:, :1], written.features).sentinel
        wanted = {method for method, _ in self.scores.values()}
        found = {name: method for name, method in self.methods.items() if name in wanted}
        return {name: m for name, m in found.items() if sentinel is not None or not isinstance(m, Sentinel)}

    def _judged(self, written: CaptionedBatch, metric: Hallucination) -> list[ObjectMention]:
        """The captions' objects, those left out of which the truth says nothing."""
        captions = {i: " ".join(words) for i, words in zip(written.ids, written.captions, strict=True)}
        records = metric.records(captions, dict(zip(written.ids, written.references, strict=True)))
        by_id = {record["image_id"]: record for record in records}
        named = []
        for name in named_objects(written, metric.object_words):
            record = by_id.get(written.ids[name.row])
            if record is not None and name.category in record["objects"]:
                named.append(replace(name, supported=name.category in record["present"]))
        return named

    def _mentions(self, group: Group, explained: Mapping[str, Explanation]) -> Iterator[Judged]:
        """Each object of each image once, with the mean of its mentions' scores."""
        places, ids = group.places, group.batch.image_ids.tolist()

        def key(name: ObjectMention) -> tuple[int, str, bool]:
            return name.row, name.category, name.supported

        for (row, category, supported), same in groupby(sorted(group.named, key=key), key):
            at = [places.index(name.place) for name in same]
            means = {
                name: float(np.mean([score(explained[method], by, row, place) for place in at]))
                for name, (method, by) in self.scores.items()
                if method in explained
            }
            yield Judged(ids[row], category, supported, means)

    def _outcome(
        self, found: list[Judged], before: int, names: list[str], shown: HallucinatedSheet, captioner: str, split: str
    ) -> Outcome:
        labels = np.array([word.supported for word in found], bool)
        if not labels.any() or labels.all():
            raise UserError(
                f"of {before} object words {len(found)} are named in more than {self.more_than} captions, and these "
                f"are not both supported and hallucinated: lower study.more_than, or raise study.images"
            )
        scores = {name: np.array([word.scores[name] for word in found]) for name in names}
        areas, p = self._areas(scores, labels, np.array([word.image_id for word in found]))
        rows: list[dict[str, TableValue]] = [
            {
                "score": name,
                "method": self.scores[name][0],
                "by": self.scores[name][1],
                "words": len(found),
                "supported": int(labels.sum()),
                **areas[name].columns("auc"),
                "p": p[name],
                "paper": PAPER.get(captioner, {}).get(name),
            }
            for name in names
        ]
        counted = len({word.word for word in found})
        reference = next(name for name in names if p[name] is None)
        notes = [
            f"{len(found)} words for {counted} objects, each named in more than {self.more_than} captions; "
            f"{int(labels.sum())} are supported ({self.truth}). {before - len(found)} rarer words are left out.",
            "A larger score should mean a supported word; no sign is flipped, 0.5 is chance.",
            f"Intervals: 95 %, bootstrap over images; p: of the difference to {reference} in the same bootstrap "
            "samples, Holm-corrected; paper: Table 3 of Sun et al. 2020, Flickr30k with VGG16.",
        ]
        shares: dict[str, Bar] = {**{name: areas[name] for name in names}, CHANCE: (0.5, 0.5, 0.5)}
        figures = {"": bars({f"{len(found)} object words": shares}, "AUC", CHANCE)}
        return Outcome(
            rows=rows,
            metrics={f"{split}/hallucination_auc_{name}": areas[name].value for name in names},
            figures=figures | shown.figures(),
            details={"words": [vars(word) for word in found]},
            notes=notes,
        )

    def _areas(
        self, scores: Mapping[str, Array], labels: Array, images: Array
    ) -> tuple[dict[str, Interval], dict[str, float | None]]:
        """The area of each score, and p of its difference to the reference's, None for the reference itself."""
        _, place = np.unique(images, return_inverse=True)
        number = int(place.max()) + 1
        times = np.random.default_rng(self.seed).multinomial(number, np.full(number, 1 / number), size=DRAWS)[:, place]
        values = {name: float(auc(score, labels)) for name, score in scores.items()}
        draws = {name: auc(score, labels, times) for name, score in scores.items()}
        ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        areas = {name: Interval(values[name], *map(float, np.nanquantile(draws[name], ends))) for name in scores}
        best = max(values, key=lambda name: values[name])
        reference = self.against if self.against is not None and self.against in scores else best
        others = [name for name in scores if name != reference]
        p = holm([_two_sided(draws[name] - draws[reference]) for name in others])
        return areas, {reference: None, **dict(zip(others, p, strict=True))}


def often_named(found: Sequence[Judged], more_than: int) -> list[Judged]:
    """Those whose object more than so many captions name; each caption is one of them at most."""
    captions = Counter(word.word for word in found)
    return [word for word in found if captions[word.word] > more_than]


def score(explanation: Explanation, by: str, row: int, place: int) -> float:
    """The raw map of one word as a number; see `BY`."""
    if by == "region_max":
        return float(explanation.regions[row, place].max())
    assert explanation.pixels is not None
    heat: Tensor = explanation.pixels[row, place].detach().double().sum(0)
    if by == "normalised":
        return float(heat.mean() / heat.abs().max().clamp(min=torch.finfo(heat.dtype).tiny))
    return float(heat.max() if by == "max" else heat.mean() if by == "mean" else heat.abs().mean())


def _two_sided(differences: Array) -> float:
    """Share of bootstrap differences on the rarer side of 0, twice."""
    known = differences[np.isfinite(differences)]
    return float(min(1.0, 2 * min((known <= 0).mean(), (known >= 0).mean())))
