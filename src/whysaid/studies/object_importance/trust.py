"""Which explanation says what the captioner depends on: their rank correlation with what its objects' removal does.

N objects of all photos.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whysaid.data.files.table import TableValue
from whysaid.figures.bars import Bar
from whysaid.studies.common.statistics import Interval, bootstrapped_rank_correlation, mean_interval

Array = NDArray[np.floating]

AREA = "area"
"""The baseline: the larger object is the more important one. It is also what a map without any structure says."""

MEASURES = {"distance": "change of the caption", "drop": "change of its probability"}
"""How importance is measured → as it is written in a figure."""


class Removal(NamedTuple):
    """What one way of removing did to each of N objects: the captions' distance, the loss of log-probability, and
    whether the caption changed at all."""

    distance: Array
    drop: Array
    changed: Array


def trust_table(
    reference: str,
    removals: Mapping[str, Removal],
    masses: Mapping[str, Array],
    area: Array,
    images: Sequence[int],
    seed: int = 0,
) -> list[dict[str, TableValue]]:
    """A row for each way of removing, each attribution method and the baseline.

    Args:
        reference: the removal that all else is compared with.
        removals: name → what it did.
        masses: method → (N,) share of its positive relevance that lies on each object.
        area: (N,) shares of the photo.
        images: (N,) id of each object's image.
        seed: of bootstrap samples.

    Columns `rho_distance` and `rho_drop`: Spearman's ρ with the reference's importance. `area_distance`, `area_drop`:
    that of a removal's own importance with the object's area.
    """
    rows: list[dict[str, TableValue]] = []
    for name, removal in removals.items():
        own = removal if name != reference else None
        row = _row(name, "removal", own and own.distance, own and own.drop, removals[reference], images, seed)
        row |= mean_interval(removal.distance, images, seed).columns("distance")
        row |= mean_interval(removal.drop, images, seed).columns("drop")
        row["changed"] = float(removal.changed.mean())
        row["area_distance"] = bootstrapped_rank_correlation(area, removal.distance, images, seed).value
        row["area_drop"] = bootstrapped_rank_correlation(area, removal.drop, images, seed).value
        rows.append(row)
    for name, mass in {**masses, AREA: area}.items():
        kind = "baseline" if name == AREA else "explanation"
        rows.append(_row(name, kind, mass, mass, removals[reference], images, seed))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{column: row.get(column) for column in columns} for row in rows]


def _row(
    name: str,
    kind: str,
    distance: Array | None,
    drop: Array | None,
    reference: Removal,
    images: Sequence[int],
    seed: int,
) -> dict[str, TableValue]:
    row: dict[str, TableValue] = {"name": name, "kind": kind, "objects": len(images)}
    for measure, own, known in (("distance", distance, reference.distance), ("drop", drop, reference.drop)):
        interval = None if own is None else bootstrapped_rank_correlation(own, known, images, seed)
        row |= _columns(f"rho_{measure}", interval)
    return row


def _columns(name: str, interval: Interval | None) -> dict[str, TableValue]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return dict(interval.columns(name))


def trust_bars(rows: Sequence[Mapping[str, TableValue]]) -> dict[str, dict[str, Bar]]:
    """The correlations of a table in two groups, for `whysaid.figures.bars`."""
    groups: dict[str, dict[str, Bar]] = {}
    for measure, title in MEASURES.items():
        column = f"rho_{measure}"
        groups[title] = {
            str(row["name"]): (float(row[column]), float(row[f"{column}_low"]), float(row[f"{column}_high"]))  # type: ignore[arg-type]
            for row in rows
            if row[column] is not None
        }
    return groups
