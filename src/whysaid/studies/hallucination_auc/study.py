"""Do explanations tell hallucinated words from supported ones? Table 3 and Fig. 4–5 of Sun et al. 2020.

M words, D bootstrap draws, H, W pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.support.evidence import LOG_P, PRESENCE
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_fitting
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.removal.fills import Fill
from whysaid.data.removal.removals import Removals
from whysaid.errors import UserError
from whysaid.figures.bars import Bar, bars
from whysaid.metrics.auc import auc
from whysaid.metrics.hallucination import Hallucination, Truth
from whysaid.studies.common.captioned import (
    ObjectMention,
    object_words,
    require_pixels,
)
from whysaid.studies.common.held_out import held_out
from whysaid.studies.common.judged import JudgedWord, judged_mentions
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probe import fit_probe
from whysaid.studies.common.statistics import LINES, Interval, drawn_interval, draws_of_words, holm
from whysaid.studies.common.word_maps import chosen_methods
from whysaid.studies.common.word_sample import Group, WordSample, groups
from whysaid.studies.hallucination_auc.readings import CAPTIONER, READ, REMOVAL, Places, Readings
from whysaid.studies.hallucination_auc.scores import BY, score
from whysaid.studies.hallucination_auc.sheet import HallucinatedSheet
from whysaid.studies.hallucination_auc.words import often_named
from whysaid.tasks.writer import Writer

Array = NDArray[np.floating]

PAPER = {
    "GridTD": {"L-max": 0.61, "L": 0.64, "G-abs": 0.54, "Att": 0.53, "1-beta": 0.54, "G": 0.45},
    "Adaptive": {"L-max": 0.66, "L": 0.64, "G-abs": 0.58, "Att": 0.51, "1-beta": 0.53, "G": 0.42},
}
"""Table 3 (Flickr30k, VGG16): captioner → score → AUC."""

CHANCE = "chance"

PENALTY, FOLDS = 1.0, 5
"""Of the regressions of mixtures."""


class HallucinationAUC:
    """How often a supported word scores higher than a hallucinated one, by each score of an explanation.

    A caption that names an object twice counts once, with the mean of both scores, whatever its label is.

    Raises UserError: no method or score is left, or a score is of no such kind or of no method.

    Args:
        methods: name → method.
        scores: name → `method`, one of `methods`, and `by`, one of `BY`; or `captioner` or `removal` in place of a
            method, and what is read of it, see `READ`. Those of methods that are left out are left out, and so are
            those of methods that cannot explain the captioner, such as 1 − β where it has no β.
        mixtures: name → scores, of which a logistic regression on the words of other images is one score.
        fill: what takes the place of an object that leaves the picture, for `removal`; None leaves that out.
        presence: training pictures at most, on which a linear probe learns what pictures show, for `presence`; None
            leaves that out.
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
        mixtures: Mapping[str, Sequence[str] | None] | None = None,
        fill: Fill | None = None,
        presence: int | None = None,
    ):
        self.methods = chosen_methods(methods)
        self.scores = {name: (kind["method"], kind["by"]) for name, kind in scores.items() if kind is not None}
        for name, (method, by) in self.scores.items():
            if by not in READ.get(method, BY if method in methods else ()):
                raise UserError(
                    f"study.scores.{name} is {by} of {method}: take one of {', '.join(BY)} of one of study.methods "
                    f"({', '.join(methods)}), {', '.join(READ[CAPTIONER])} of {CAPTIONER}, or {LOG_P} of {REMOVAL}"
                )
        if not any(method in self.methods or method in READ for method, _ in self.scores.values()):
            raise UserError("no score is left: give study.scores one of study.methods")
        self.mixtures, self.fill = {name: of for name, of in (mixtures or {}).items() if of is not None}, fill
        for name, of in self.mixtures.items():
            if not of or not set(of) <= set(self.scores) or name in self.scores:
                raise UserError(
                    f"study.mixtures.{name} mixes {', '.join(of)}: take names of study.scores, and a new one"
                )
        self.truth: Truth = truth
        self.annotations, self.more_than, self.against, self.sheet = annotations, more_than, against, sheet
        self.presence = presence
        self.sample = WordSample(images, None, batch_size, at_once, seed)

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: no pixels, or there are not both supported and hallucinated words."""
        captioner = task.single_captioner
        require_pixels(data, captioner)
        metric = Hallucination(object_words(data), truth=self.truth, annotations=self.annotations)
        judged: list[JudgedWord] = []
        shown = HallucinatedSheet(self.sheet, self.sample.seed, self.methods)
        of_scores = {method for method, _ in self.scores.values()}
        methods = {name: method for name, method in self.methods.items() if name in of_scores}
        wanted = {name: of for name, of in self.scores.items() if of[0] in READ}
        read = Readings(wanted, self.fill, captioner, data, self._probe(task, data, wanted))
        for captioned in self.sample.batches(task, data):
            mentions = judged_mentions(captioned, metric)
            values = read(captioned, mentions)
            for group in groups(captioned, mentions, self.sample.at_once):
                explained = attribute_fitting(methods, captioner, group.batch, Targets(group.tokens, group.places))
                judged += self._mentions(group, explained, values)
                shown.add(captioner, group, explained)
        scores = [name for name, (method, _) in self.scores.items() if method in methods or name in read.wanted]
        return self._outcome(
            often_named(judged, self.more_than), len(judged), scores, shown, type(captioner).__name__, data.evaluated
        )

    def _probe(self, task: Writer, data: CaptionData, wanted: Mapping[str, tuple[str, str]]) -> Presence | None:
        """The probe that a score asks for, taught by pictures without an object too where there is a fill."""
        if not self.presence or PRESENCE not in {by for _, by in wanted.values()}:
            return None
        task.eval()
        removal = None if self.fill is None else Removals(self.fill, negatives=0, seed=self.sample.seed)
        return fit_probe(task, data, removal, self.presence, self.sample.seed, self.sample.batch_size)

    def _mentions(
        self, group: Group, explained: Mapping[str, Explanation], read: Mapping[str, Places] | None = None
    ) -> Iterator[JudgedWord]:
        """Each object of each image once, with the mean of its mentions' scores."""
        places, ids = group.places, group.batch.image_ids.tolist()

        def key(name: ObjectMention) -> tuple[int, str, bool]:
            return name.row, name.category, name.supported

        for (row, category, supported), same in groupby(sorted(group.mentions, key=key), key):
            at = [name.place for name in same]
            means = {
                name: float(np.mean([score(explained[method], by, row, places.index(place)) for place in at]))
                for name, (method, by) in self.scores.items()
                if method in explained
            }
            for name, of in (read or {}).items():
                means[name] = float(np.mean([of[ids[row], place] for place in at]))
            yield JudgedWord(ids[row], category, supported, means)

    def _outcome(
        self,
        judged: list[JudgedWord],
        before: int,
        names: list[str],
        shown: HallucinatedSheet,
        captioner: str,
        split: str,
    ) -> Outcome:
        labels = np.array([word.supported for word in judged], bool)
        if not labels.any() or labels.all():
            raise UserError(
                f"of {before} object words {len(judged)} are named in more than {self.more_than} captions, and these "
                f"are not both supported and hallucinated: lower study.more_than, or raise study.images"
            )
        images = np.array([word.image_id for word in judged])
        scores = {name: np.array([word.scores[name] for word in judged]) for name in names}
        mixed = {name: of for name, of in self.mixtures.items() if set(of) <= set(scores)}
        for name, of in mixed.items():
            mixture = np.stack([scores[part] for part in of], 1), labels, images
            scores[name] = held_out(*mixture, PENALTY, FOLDS, self.sample.seed)
        areas, p = self._areas(scores, labels, images)
        rows: list[dict[str, TableValue]] = [
            {
                "score": name,
                "method": "mixture" if name in mixed else self.scores[name][0],
                "by": " + ".join(mixed[name]) if name in mixed else self.scores[name][1],
                "words": len(judged),
                "supported": int(labels.sum()),
                **areas[name].columns("auc"),
                "p": p[name],
                "paper": PAPER.get(captioner, {}).get(name),
            }
            for name in scores
        ]
        counted = len({word.word for word in judged})
        reference = next(name for name in scores if p[name] is None)
        notes = [
            f"{len(judged)} words for {counted} objects, each named in more than {self.more_than} captions; "
            f"{int(labels.sum())} are supported ({self.truth}). {before - len(judged)} rarer words are left out.",
            "A larger score should mean a supported word; no sign is flipped, 0.5 is chance.",
            f"A mixture judges each word by a logistic regression on other images ({FOLDS} folds).",
            f"Intervals: 95 %, bootstrap over images; p: of the difference to {reference} in the same bootstrap "
            "samples, Holm-corrected; paper: Table 3 of Sun et al. 2020, Flickr30k with VGG16.",
        ]
        shares: dict[str, Bar] = {**areas, CHANCE: (0.5, 0.5, 0.5)}
        note = (
            "AUC: how often a word for an object that is there scores higher than one for an object that is not; "
            f"{CHANCE}: 0.5. {len(judged)} words in {len(set(images.tolist()))} images; {LINES}"
        )
        figures = {"": bars({f"{len(judged)} object words": shares}, "AUC", CHANCE, note)}
        return Outcome(
            rows=rows,
            metrics={f"{split}/hallucination_auc_{name}": areas[name].value for name in areas},
            figures=figures | shown.figures(),
            details={"words": [vars(word) for word in judged]},
            notes=notes,
        )

    def _areas(
        self, scores: Mapping[str, Array], labels: Array, images: Array
    ) -> tuple[dict[str, Interval], dict[str, float | None]]:
        """The area of each score, and p of its difference to the reference's, None for the reference itself."""
        times = draws_of_words(images, self.sample.seed)
        draws = {name: auc(score, labels, times) for name, score in scores.items()}
        areas = {name: drawn_interval(values) for name, values in draws.items()}
        best = max(areas, key=lambda name: areas[name].value)
        reference = self.against if self.against is not None and self.against in scores else best
        others = [name for name in scores if name != reference]
        p = holm([_two_sided(draws[name][1:] - draws[reference][1:]) for name in others])
        return areas, {reference: None, **dict(zip(others, p, strict=True))}


def _two_sided(differences: Array) -> float:
    """Share of bootstrap differences on the rarer side of 0, twice."""
    known = differences[np.isfinite(differences)]
    return float(min(1.0, 2 * min((known <= 0).mean(), (known >= 0).mean())))
