"""From the similarities of `human_attention` to its tables and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from whysaid.data.files.table import TableValue
from whysaid.figures.bars import Bar, bars
from whysaid.figures.boxes import boxes
from whysaid.figures.curves import Curve, curves
from whysaid.figures.differences import Difference, differences
from whysaid.figures.titles import title
from whysaid.metrics.human_attention import MEASURES
from whysaid.studies.common.outcome import Outcome, counts_text
from whysaid.studies.common.statistics import mean_interval
from whysaid.studies.human_attention.answer_groups import ALPHA, PREDICTED, RIGHT, AnswerGroups, Row, rows_by_target

CENTRE, PEOPLE = "centre", "people"
"""What is no method, beside `RANDOM`: the other baseline, and the ceiling."""

DRAWN = ("spearman", "topk_iou", "value_f1")
"""Measures of the figures of medians and of distributions."""

LOGGED = ("spearman", "intersect", "topk_iou", "value_iou", "value_f1")
"""Measures whose means are logged."""


class AttentionReport:
    """Makes the outcome of comparing maps with people's.

    Args:
        answer_groups: those that are compared.
        split: of the data.
        label: who the people are.
        seed: of bootstrap intervals.
    """

    def __init__(self, answer_groups: AnswerGroups, split: str, label: str, seed: int = 0):
        self.answer_groups, self.split, self.label, self.seed = answer_groups, split, label, seed

    def __call__(self, records: Sequence[Mapping[str, Any]], skipped: Mapping[str, Sequence[str | int]]) -> Outcome:
        """Reports records as `HumanAttention` keeps them, one of them with rows at least, and what was left out, by
        reason."""
        rows = [row for record in records for row in record["rows"]]
        summaries = self.answer_groups.summaries(rows, MEASURES)
        tests = self.answer_groups.tests(rows, MEASURES)
        means = [self._means(names, part) for names, part in rows_by_target(rows) if part]
        made: dict[str, Sequence[Mapping[str, TableValue]]] = {
            "pairs": [_tidy(row) for row in rows],
            "groups": summaries,
            "tests": tests,
            "correlations": self.answer_groups.correlations(rows, MEASURES),
        }
        return Outcome(
            rows=means,
            metrics=self._metrics(means),
            figures=self._figures(records, rows, summaries, tests),
            tables=made,
            details={"people": self.label, "skipped": {why: list(names) for why, names in skipped.items()}},
            notes=self._notes(rows, tests, skipped),
        )

    def _means(self, names: Mapping[str, TableValue], rows: Sequence[Row]) -> dict[str, TableValue]:
        spearman = mean_interval([row["spearman"] for row in rows], [row["image_id"] for row in rows], self.seed)
        others = {name: float(np.mean([row[name] for row in rows])) for name in MEASURES[1:]}
        return {**names, "questions": len(rows), **spearman.columns("spearman"), **others}

    def _metrics(self, means: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Means of the right answer's maps, by metric."""
        return {
            f"{self.split}/human_attention_{measure}_{row['method']}": row[measure]
            for row in means
            if row["target"] != PREDICTED
            for measure in LOGGED
        }

    def _figures(
        self,
        records: Sequence[Mapping[str, Any]],
        rows: Sequence[Row],
        summaries: Sequence[Mapping[str, Any]],
        tests: Sequence[Mapping[str, Any]],
    ) -> dict[str, Figure]:
        asked, images = len({row["question_id"] for row in rows}), len({row["image_id"] for row in rows})
        number = f"{asked} questions about {images} images; compared with: {self.label}"
        groups = f"Groups: the answer correct or wrong, its confidence low or high. {number}."
        note = f"Bars: medians; lines: from the lower to the upper quartile. {groups}"
        medians = {name: bars(self._bars(summaries, name), f"median {name}", note=note) for name in DRAWN}
        weights = np.mean([record["weights"] for record in records if record["weights"]], 0)
        centres = (np.arange(len(weights)) + 0.5) / len(weights)
        share = Curve(self.label, weights)
        return {
            "": medians.pop("spearman"),
            **medians,
            "distributions": boxes(
                {name: self._values(rows, name) for name in DRAWN},
                f"Boxes: quartiles, with the median; whiskers: 1.5 quartile ranges at most; dots: beyond. {groups}",
            ),
            "differences": differences(
                self._panels(tests),
                MEASURES,
                "Numbers: the difference of the two groups' means; red: the first is higher, blue: the second; the "
                f"colour is t, full at |t| = 5; *: p < {ALPHA}, uncorrected. {number}.",
            ),
            "weights": curves(
                {"": (centres, [share])}, "weight of a pixel, in [0, 1]", "share of pixels", note=f"{number}."
            ),
        }

    def _bars(self, summaries: Sequence[Mapping[str, Any]], measure: str) -> dict[str, dict[str, Bar]]:
        """Bars by method and group: median and quartiles, of the maps of the predicted answer."""
        groups: dict[str, dict[str, Bar]] = {}
        for row in summaries:
            if row["measure"] == measure and row["target"] != RIGHT and row["n"]:
                bar = (row["median"], row["quarter"], row["three_quarters"])
                groups.setdefault(_short(row["method"]), {})[row["group"]] = bar
        return groups or {"no question in any group": {"none": (0.0, 0.0, 0.0)}}

    def _values(self, rows: Sequence[Row], measure: str) -> dict[str, dict[str, list[float]]]:
        """Values by method and group, likewise."""
        return {
            _short(str(names["method"])): {
                group: [row[measure] for row in part if holds(row)]
                for group, holds in self.answer_groups.groups.items()
            }
            for names, part in rows_by_target(rows)
            if names["target"] != RIGHT
        }

    def _panels(self, tests: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Difference]]]:
        """Differences by contrast, method and measure, likewise; contrasts that no group is large enough for are left
        out."""
        panels: dict[str, dict[str, dict[str, Difference]]] = {name: {} for name in self.answer_groups.contrasts}
        for row in tests:
            if row["target"] != RIGHT and row["difference"] is not None:
                difference = Difference(row["difference"], row["t"], starred(row))
                panels[row["contrast"]].setdefault(row["method"], {})[row["measure"]] = difference
        filled = {name: panel for name, panel in panels.items() if panel}
        return filled or {"no two groups can be compared": {"": {}}}

    def _notes(
        self, rows: Sequence[Row], tests: Sequence[Mapping[str, Any]], skipped: Mapping[str, Sequence[str | int]]
    ) -> list[str]:
        answered = {row["question_id"]: row["correct"] for row in rows}
        tested = [row for row in tests if row["p"] is not None]
        left_out = counts_text({why: len(names) for why, names in skipped.items()})
        return [
            f"Compared with: {self.label}. {len(answered)} questions, {sum(answered.values())} answered right.",
            "topk masks have one size, so their precision, recall, F1 and Dice are equal by definition; Dice and F1 "
            "always are.",
            f"{sum(map(starred, tested))} of {len(tested)} t-tests have p < {ALPHA}, uncorrected; "
            f"{ALPHA * len(tested):.0f} would by chance.",
            f"Skipped: {left_out}.",
        ]


def starred(test: Mapping[str, Any]) -> bool:
    """Whether a row of the tests is significant by itself."""
    return test["p"] is not None and bool(test["p"] < ALPHA)


def _short(name: str) -> str:
    """The title in two lines, so that neighbours do not touch."""
    return title(name).replace(" ", "\n", 1)


def _tidy(row: Row) -> dict[str, TableValue]:
    first = ("question_id", "image_id", "question", "method", "target", "answer", "correct", "confidence", "people")
    return {name: row[name] for name in (*first, *MEASURES)}
