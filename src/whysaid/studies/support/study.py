"""How likely is it that an object which a caption names is there? A calibrated probability, fitted and measured.

M words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from whysaid.attribution.method import Method
from whysaid.attribution.support.evidence import RELEVANCE_BY
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.support.support import Support, beside, by_key, captioner_key
from whysaid.data.annotated import read_instances
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.removal.removals import Removals
from whysaid.errors import UserError
from whysaid.figures.curves import Curve, curves
from whysaid.metrics.calibration import BINS, reliability
from whysaid.metrics.hallucination import Hallucination, Truth
from whysaid.models.encoders.mean import know_mean
from whysaid.studies.common.captioned import caption_split, object_words, require_pixels
from whysaid.studies.common.held_out import held_out
from whysaid.studies.common.judged import judged_mentions
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probe import fit_probe
from whysaid.studies.support.card import tell_card
from whysaid.studies.support.fit import fit, measured
from whysaid.studies.support.removed import caption_without
from whysaid.studies.support.words import JudgedWords, with_evidence
from whysaid.tasks.writer import Writer

KEPT, CHANGED = "as they are", "without an object"
"""The pictures that words are said of."""

IN_RUN = "fitted.support.json"
"""The file in the run directory, for `support.file`."""

SPREAD = 1.96
"""Standard errors to each side of a point of the reliability diagram."""


class SupportStudy:
    """Fits the support of a captioner's object words on one split, measures it on another, and stores it.

    The language of a data set makes objects likely that usually come together, and validation pictures hold them
    together too. So a captioner errs less there than anywhere else, and a probability that is right there promises too
    much elsewhere. Pictures of which one object has left break that habit: the regression is fitted on captions of
    these, where enough objects are annotated.

    Args:
        ckpt: the checkpoint, beside which the file is put.
        folder: of supports by key, where it is put too; None puts it there not.
        relevance: the method whose largest relevance counts; None does without.
        presence: training pictures at most on which the probe is fitted that tells what a picture shows; None does
            without it.
        removal: makes pictures without an object; None fits on pictures as they are.
        least: words of pictures without an object whose object is there, and whose is not; where there are fewer of
            either, pictures as they are are fitted on.
        truth, annotations: what says that an object is there; see `Hallucination`.
        fitted_on: the split that is fitted on.
        penalty: of the regression's weights; 1 is a normal prior of standard deviation 1 on standardised scores.
        folds: by which the fit is measured on images of its own split that it has not seen.
        images: of each split, drawn by `seed`; None takes all.
        batch_size: images captioned at once.
        at_once: images explained at once.
        seed: of the draws of images, of what leaves them, of folds and of bootstrap samples.
    """

    def __init__(
        self,
        ckpt: str,
        folder: str | None = None,
        relevance: Method | None = None,
        presence: int | None = None,
        removal: Removals | None = None,
        least: int = 20,
        truth: Truth = "references",
        annotations: str | None = None,
        fitted_on: str = "val",
        penalty: float = 1.0,
        folds: int = 5,
        images: int | None = None,
        batch_size: int = 50,
        at_once: int = 1,
        seed: int = 0,
    ):
        if folds < 2 or penalty < 0:
            raise UserError(f"study.folds={folds} and study.penalty={penalty}: at least 2, and 0 or more")
        self.ckpt, self.folder, self.relevance, self.presence = ckpt, folder, relevance, presence
        self.removal, self.least = removal, least
        self.truth: Truth = truth
        self.annotations, self.fitted_on, self.penalty, self.folds = annotations, fitted_on, penalty, folds
        self.images, self.batch_size, self.at_once, self.seed = images, batch_size, at_once, seed

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: several checkpoints, no pixels, or not both supported and hallucinated words."""
        captioner = task.single_captioner
        task.eval()
        if self.relevance is not None or self.removal is not None:
            require_pixels(data, captioner)
        know_mean(captioner, data)
        metric = Hallucination(object_words(data), truth=self.truth, annotations=self.annotations)
        fitting = data.evaluating(self.fitted_on)
        probe = None
        if self.presence:
            probe = fit_probe(task, data, self.removal, self.presence, self.seed, self.batch_size)
        words = {(self.fitted_on, KEPT): self._words(task, fitting, metric, probe)}
        changed = None if self.removal is None else self._words_without(task, fitting, metric, self.removal, probe)
        if changed is not None and len(changed):
            words[self.fitted_on, CHANGED] = changed
        fitted = self.fitted_on, CHANGED if changed is not None and rarer(changed) >= self.least else KEPT
        if data.evaluated != self.fitted_on:
            words[data.evaluated, KEPT] = self._words(task, data, metric, probe)
        _require_both(words[fitted], fitted)
        regressions = fit(words[fitted], self.penalty)
        support = Support(
            captioner_key(captioner, task.vocabulary.words),
            regressions,
            {
                "data": data.name,
                "split": self.fitted_on,
                "pictures": fitted[1],
                "truth": self.truth,
                "words": len(words[fitted]),
                "hallucinated": int((~words[fitted].labels).sum()),
                "relevance": RELEVANCE_BY if self.relevance is not None else None,
            },
            probe,
        )
        places = self._stored(support, folder)
        outcome = self._outcome(support, words, fitted, data.evaluated, places)
        own = beside(Path(self.ckpt))
        if own in places and data.evaluated != self.fitted_on:
            wanted = {"split": data.evaluated, "pictures": KEPT}
            tell_card(Path(self.ckpt), own, next(row for row in outcome.rows if wanted.items() <= row.items()))
        return outcome

    def _words(self, task: Writer, data: CaptionData, metric: Hallucination, probe: Presence | None) -> JudgedWords:
        captioner = task.single_captioner
        return JudgedWords(
            [
                word
                for captioned in caption_split(task, data, self.images, self.seed, self.batch_size)
                for word in with_evidence(
                    captioner, captioned, judged_mentions(captioned, metric), self.relevance, self.at_once, probe
                )
            ]
        )

    def _words_without(
        self, task: Writer, data: CaptionData, metric: Hallucination, removal: Removals, probe: Presence | None
    ) -> JudgedWords:
        instances = read_instances(data.images(data.evaluated))
        changed = caption_without(task, data, instances, removal, self.images, self.seed, self.batch_size)
        return JudgedWords(
            [
                word
                for captioned, left in changed
                for word in with_evidence(
                    task.single_captioner,
                    captioned,
                    judged_mentions(captioned, metric, left),
                    self.relevance,
                    self.at_once,
                    probe,
                )
            ]
        )

    def _too_few(self, words: Mapping[tuple[str, str], JudgedWords], fitted: tuple[str, str]) -> list[str]:
        """Says why pictures without an object were not fitted on, where there are some."""
        changed = words.get((self.fitted_on, CHANGED))
        if changed is None or fitted[1] == CHANGED:
            return []
        return [
            f"Captions of pictures {CHANGED} name {len(changed)} objects, {rarer(changed)} of the rarer kind: with "
            f"fewer than study.least={self.least} of those the fit is on pictures {KEPT}, where captions err less."
        ]

    def _stored(self, support: Support, folder: Path) -> list[Path]:
        """Writes the file into the run directory, beside the checkpoint, and by its key; returns the last two."""
        support.write(folder / IN_RUN)
        places = [beside(Path(self.ckpt))] if Path(self.ckpt).is_file() else []
        places += [] if self.folder is None else [by_key(Path(self.folder), support.captioner)]
        written = []
        for path in places:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                support.write(path)
            except OSError:  # the checkpoint may lie where others may not write
                continue
            written.append(path)
        return written

    def _outcome(
        self,
        support: Support,
        words: Mapping[tuple[str, str], JudgedWords],
        fitted: tuple[str, str],
        split: str,
        places: Sequence[Path],
    ) -> Outcome:
        rows: list[dict[str, TableValue]] = []
        metrics: dict[str, float] = {}
        panels = {}
        for (of, pictures), judged in words.items():
            for names, regression in support.regressions.items():
                p = regression(judged.matrix(names))
                if (of, pictures) == fitted:
                    scored = judged.matrix(names), judged.labels, judged.images
                    p = held_out(*scored, self.penalty, self.folds, self.seed)
                scores = measured(p, judged, self.seed)
                row: dict[str, TableValue] = {
                    "split": of,
                    "pictures": pictures,
                    "evidence": " + ".join(names),
                    "words": len(judged),
                    "supported": int(judged.labels.sum()),
                }
                for name, interval in scores.items():
                    row |= {key: None if np.isnan(v) else v for key, v in interval.columns(name).items()}
                    if pictures == KEPT and not np.isnan(interval.value):
                        metrics[f"{of}/support_{name}_{'+'.join(names)}"] = interval.value
                rows.append(row)
                if names == next(iter(support.regressions)):
                    panels[f"{of}, {pictures}"] = _diagram(p, judged)
        return Outcome(
            rows=rows,
            metrics=metrics,
            figures={"": _figure(panels)},
            details={"support": {"captioner": support.captioner, "fitted": dict(support.fitted)}},
            notes=[
                f"Fitted on {len(words[fitted])} words of {fitted[0]} pictures {fitted[1]}, of which "
                f"{int((~words[fitted].labels).sum())} are hallucinated; there each word is judged by a fit on other "
                f"images ({self.folds} folds).",
                *self._too_few(words, fitted),
                "Intervals: 95 %, bootstrap over images; calibration_error: expected, in ten bins of equal width.",
                f"Stored in {' and '.join(map(str, places)) or f'the run directory alone: support.file=…/{IN_RUN}'}.",
            ],
        )


def rarer(words: JudgedWords) -> int:
    """How many words there are of the rarer kind: those whose object is there, or those whose is not."""
    supported = int(words.labels.sum())
    return min(supported, len(words) - supported)


def _require_both(words: JudgedWords, fitted: tuple[str, str]) -> None:
    if len(set(words.labels.tolist())) < 2:
        raise UserError(
            f"captions of {fitted[0]} pictures {fitted[1]} name {len(words)} objects, which are not both there and not "
            "there: raise study.images, or choose another study.fitted_on"
        )


def _diagram(p: np.ndarray, words: JudgedWords) -> dict[float, tuple[float, float]]:
    """Middle of a bin → the share that is there, and its standard error."""
    points = {}
    for point in reliability(p, words.labels):
        middle = (point.low + point.high) / 2
        points[middle] = (point.true, SPREAD * float(np.sqrt(point.true * (1 - point.true) / point.items)))
    return points


def _figure(panels: Mapping[str, Mapping[float, tuple[float, float]]]) -> Figure:
    middles = (np.arange(BINS) + 0.5) / BINS
    drawn = {}
    for title, points in panels.items():
        share, half = np.array([points.get(middle, (np.nan, np.nan)) for middle in middles]).T
        drawn[title] = (
            middles,
            [
                Curve("words", share, np.clip(share - half, 0, 1), np.clip(share + half, 0, 1)),
                Curve("as promised", middles, reference=True),
            ],
        )
    note = (
        "Of the words with a support, the share whose object is there; as promised: the support itself. Bands: 95 % "
        "intervals of a share of so many words."
    )
    return curves(drawn, "support", "share of the objects that are there", note=note)
