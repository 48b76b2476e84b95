"""Right and wrong answers, sure and unsure ones: how a study's values differ between them.

A row is a dictionary with `method`, `target`, `correct`, `confidence` and values. K values of one group.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import pearsonr, ttest_ind

from whysaid.data.files.table import TableValue

Row = Mapping[str, Any]

RIGHT, PREDICTED = "right", "predicted"
"""What is explained: the right answer and, where the model gives another, that one."""

ALPHA = 0.05
"""Of the tests, as published."""


class TTest(NamedTuple):
    """Student's two-sample t-test: difference of the means, t and two-sided p; None where either group has fewer than
    two values, and t and p also where no value differs from its group's mean."""

    difference: float | None
    t: float | None
    p: float | None


class AnswerGroups:
    """The groups that are compared.

    Args:
        low, high: an answer is unsure below, and sure above these confidences; paper: 0.25 and 0.75.

    Attributes:
        groups: name → whether a row belongs there: correct and wrong × low and high.
        contrasts: name → the two groups of which the second is subtracted from the first.
    """

    def __init__(self, low: float = 0.25, high: float = 0.75):
        def group(correct: bool, level: str = "") -> Callable[[Row], bool]:
            def holds(row: Row) -> bool:
                sure = {"": True, "low": row["confidence"] < low, "high": row["confidence"] > high}[level]
                return bool(row["correct"] == correct and sure)

            return holds

        self.groups = {f"{word}, {level}": group(word == "correct", level) for word, level in _names()}
        pairs = {
            "correct − wrong": ("correct", "wrong"),
            "correct − wrong, low": ("correct, low", "wrong, low"),
            "correct − wrong, high": ("correct, high", "wrong, high"),
            "high − low, correct": ("correct, high", "correct, low"),
            "high − low, wrong": ("wrong, high", "wrong, low"),
        }
        every = self.groups | {"correct": group(True), "wrong": group(False)}
        self.contrasts = {name: (every[a], every[b]) for name, (a, b) in pairs.items()}
        self.parts = {"all": lambda row: True, "correct": every["correct"], "wrong": every["wrong"]}

    def summaries(self, rows: Sequence[Row], measures: Sequence[str]) -> list[dict[str, TableValue]]:
        """Number, mean, median, quartiles and deviation of each measure in each group, for each method and target."""
        return [
            {**names, "group": group, "measure": measure, "n": len(values), **_summary(values)}
            for names, part in rows_by_target(rows)
            for group, holds in self.groups.items()
            for measure in measures
            for values in [_values(part, measure, holds)]
        ]

    def tests(self, rows: Sequence[Row], measures: Sequence[str]) -> list[dict[str, TableValue]]:
        """Every contrast of each measure."""
        tests: list[dict[str, TableValue]] = []
        for names, part in rows_by_target(rows):
            for contrast, (first, second) in self.contrasts.items():
                for measure in measures:
                    a, b = _values(part, measure, first), _values(part, measure, second)
                    about: dict[str, TableValue] = {**names, "contrast": contrast, "measure": measure}
                    tests.append(about | {"n_first": len(a), "n_second": len(b), **two_sample(a, b)._asdict()})
        return tests

    def correlations(self, rows: Sequence[Row], measures: Sequence[str]) -> list[dict[str, TableValue]]:
        """Pearson's r of the confidence with each measure, among all, correct and wrong answers; None where there are
        fewer than three, or either never varies."""
        correlations: list[dict[str, TableValue]] = []
        for names, part in rows_by_target(rows):
            for kind, holds in self.parts.items():
                sure = _values(part, "confidence", holds)
                for measure in measures:
                    values = _values(part, measure, holds)
                    fits = len(values) > 2 and np.ptp(values) > 0 and np.ptp(sure) > 0
                    r, p = pearsonr(sure, values) if fits else (None, None)
                    about: dict[str, TableValue] = {**names, "answers": kind, "measure": measure, "n": len(values)}
                    correlations.append(
                        about | {"r": None if r is None else float(r), "p": None if p is None else float(p)}
                    )
        return correlations


def two_sample(first: Sequence[float], second: Sequence[float]) -> TTest:
    """Are the means of two groups different? Equal variances are assumed, as the published test does."""
    if min(len(first), len(second)) < 2:
        return TTest(None, None, None)
    difference = float(np.mean(first) - np.mean(second))
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return TTest(difference, None, None)
    t, p = ttest_ind(first, second)
    return TTest(difference, float(t), float(p))


def rows_by_target(rows: Sequence[Row]) -> Iterator[tuple[dict[str, TableValue], list[Row]]]:
    """The rows of each method for each target; what has no target, as baselines, has them all under none.

    For the target `predicted`, a right prediction counts too: the right answer's row is its own.
    """
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        if own[0]["target"] is None:
            yield {"method": method, "target": None}, own
            continue
        yield {"method": method, "target": RIGHT}, [row for row in own if row["target"] == RIGHT]
        answered = [row for row in own if row["correct"] or row["target"] == PREDICTED]
        yield {"method": method, "target": PREDICTED}, answered


def _names() -> list[tuple[str, str]]:
    return [(word, level) for word in ("correct", "wrong") for level in ("low", "high")]


def _values(rows: Sequence[Row], measure: str, holds: Callable[[Row], bool]) -> list[float]:
    return [row[measure] for row in rows if row[measure] is not None and holds(row)]


def _summary(values: Sequence[float]) -> dict[str, TableValue]:
    if not values:
        return dict.fromkeys(("mean", "median", "quarter", "three_quarters", "deviation"))
    quarter, median, three = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    mean, deviation = float(np.mean(values)), float(np.std(values))
    return {"mean": mean, "median": median, "quarter": quarter, "three_quarters": three, "deviation": deviation}
