"""The table, the frontier and the verdicts of `study=hallucination`.

D bootstrap draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.data.files.table import TableValue
from whysaid.figures.frontier import FrontierPoint, frontier
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.statistics import Interval, drawn_interval
from whysaid.studies.hallucination.verdict import on_frontier, verdict

COLUMNS = ("CHAIRi", "CHAIRs", "object_recall", "object_mAP", "CIDEr", "SPICE", "length")
"""Scores of the table, those that there are, in this order; others, such as METEOR, follow them."""

OMITTED = ("bad_endings",)


@dataclass(frozen=True)
class RowScores:
    """What a row scored.

    Attributes:
        control: the family of controls that it is one of; empty for a claim.
        draws: score → (D + 1,), its value and those of the draws of images.
        seeds: score → value of each checkpoint of several that the row pools; empty where it is of one.
    """

    control: str
    draws: Mapping[str, NDArray[np.floating]]
    seeds: Sequence[Mapping[str, float]] = ()


def outcome_of(rows: Mapping[str, RowScores], against: str, margin: float, split: str) -> Outcome:
    """Makes the outcome, without details.

    Args:
        rows: name → what it scored, in the order of the table.
        against: the row that all others are compared with.
        margin: of recall that a row may at worst lose, in [0, 1].
        split: first part of the metrics' names.
    """
    common = set.intersection(*(set(row.draws) for row in rows.values())) - set(OMITTED)
    names = [name for name in COLUMNS if name in common] + sorted(common - set(COLUMNS))
    base = rows[against].draws
    scores = {row: {name: drawn_interval(of.draws[name]) for name in names} for row, of in rows.items()}
    gains = {
        row: {name: drawn_interval(of.draws[name] - base[name]) for name in names}
        for row, of in rows.items()
        if row != against
    }
    best = on_frontier({row: (of["CHAIRi"].value, of["object_recall"].value) for row, of in scores.items()})
    verdicts = {row: verdict(of["CHAIRi"], of["object_recall"], margin) for row, of in gains.items()}
    table: list[dict[str, TableValue]] = [
        {"row": row, **_cells(of), "frontier": "yes" if row in best else "no", "verdict": verdicts.get(row)}
        for row, of in scores.items()
    ]
    tables = {"differences": [{"row": row, **_cells(of)} for row, of in gains.items()], "seeds": _seeds(rows, names)}
    claims = [row for row, of in rows.items() if not of.control]
    values = {f"{name}_{row}": scores[row][name].value for row in claims for name in names}
    values |= {f"{name}_difference_{row}": gains[row][name].value for row in claims if row in gains for name in names}
    return Outcome(
        rows=table,
        metrics={f"{split}/{name}": value for name, value in values.items() if not isnan(value)},
        figures={"": _figure(rows, scores, best)},
        tables={name: table for name, table in tables.items() if table},
        notes=[
            f"Intervals: 95 %, bootstrap over images, the same draws for all rows; differences to {against} are paired "
            "and stand in hallucination_differences.csv.",
            f"Verdict: CHAIRi surely lower than that of {against}, recall not lower, and surely not by {margin:g}.",
            *[f"{row}: {_sentence(of, verdicts[row])}" for row, of in gains.items() if row in claims],
        ],
    )


def _sentence(gains: Mapping[str, Interval], judged: str) -> str:
    parts = [
        f"{name} {of.value:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"
        for name, of in gains.items()
        if name in ("CHAIRi", "object_recall", "CIDEr", "length")
    ]
    return f"{judged} ({', '.join(parts)})."


def _cells(scores: Mapping[str, Interval]) -> dict[str, TableValue]:
    cells = {cell: value for name, of in scores.items() for cell, value in of.columns(name).items()}
    return {cell: None if isnan(value) else value for cell, value in cells.items()}


def _seeds(rows: Mapping[str, RowScores], names: Sequence[str]) -> list[dict[str, TableValue]]:
    """A row for each checkpoint of the rows that pool several."""
    return [
        {"row": row, "seed": number, **{name: None if isnan(seed[name]) else seed[name] for name in names}}
        for row, of in rows.items()
        for number, seed in enumerate(of.seeds, 1)
    ]


def _figure(rows: Mapping[str, RowScores], scores: Mapping[str, Mapping[str, Interval]], best: Sequence[str]) -> Figure:
    points = [
        FrontierPoint(row, of["object_recall"], of["CHAIRi"], rows[row].control, row in best)
        for row, of in scores.items()
        if not isnan(of["CHAIRi"].value + of["object_recall"].value)
    ]
    note = (
        "Right and low is better; frontier: nothing else is better in both. Lines: 95 % intervals, "
        "bootstrap over images."
    )
    return frontier(points, "object recall", "CHAIRi, share of mentioned objects that are not there", note)
