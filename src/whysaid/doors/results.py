"""The results that a door writes and prints last: `metrics.json`, the table of metrics, the run directory's path."""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from whysaid.data.files.whole import write_whole

BASELINES = {
    "human": "a reference",
    "majority": "commonest caption",
    "mean_fill": "mean colour",
    "biharmonic": "biharmonic",
}
"""Suffix of a metric's name → heading of its column: whatever was scored in place of the model's own output."""


def finish(metrics: Mapping[str, float], folder: Path) -> None:
    """Writes `metrics.json` and prints, as the door's last lines, the table of metrics and the run directory."""
    numbers = {name: float(value) for name, value in sorted(metrics.items())}
    write_whole(folder / "metrics.json", json.dumps(numbers, indent=2) + "\n")
    logging.shutdown()
    Console().print(metrics_table(numbers))
    print(folder)


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """Makes a table with a row for each `<split>/<metric>` and its baselines, `<metric>_<baseline>`, beside it.

    Values that training logged under `train/` are left out where validation or test were evaluated.
    """
    elsewhere = any(name.startswith(("val/", "test/")) for name in metrics)
    passed_over = ("lr-", "train/") if elsewhere else ("lr-",)
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        metric, baseline = re.fullmatch(rf"(.+?)(?:_({'|'.join(BASELINES)}))?", name).groups()  # type: ignore[union-attr]
        if metric not in metrics:
            metric, baseline = name, None
        if not name.startswith(passed_over):
            cells.setdefault(metric, {})[baseline or ""] = value
    baselines = [name for name in BASELINES if any(name in row for row in cells.values())]
    table = Table(Column("metric", overflow="fold"), "value", *(BASELINES[name] for name in baselines))
    for metric, row in sorted(cells.items()):
        table.add_row(metric, *(f"{row[c]:.4f}" if c in row else "" for c in ("", *baselines)))
    return table
