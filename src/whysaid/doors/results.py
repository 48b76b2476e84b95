"""The results that a door writes and prints last: `metrics.json`, the table of metrics, the run directory's path."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.table import Column, Table

from whysaid.data.files.whole import write_whole
from whysaid.run.printable import Printer

BASELINES = {
    "human": "a reference",
    "majority": "commonest caption",
    "mean_fill": "mean colour",
    "biharmonic": "biharmonic",
}
"""Suffix of a metric's name → heading of its column: whatever was scored in place of the model's own output."""

_NAME = re.compile(rf"(.+?)(?:_({'|'.join(BASELINES)}))?", re.DOTALL)


def logged_metrics(trainer: pl.Trainer) -> dict[str, float]:
    """Returns the value that was logged last under each name."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def logged_notes(trainer: pl.Trainer) -> dict[str, str]:
    """Returns what the callbacks say of single metrics, in their `notes`: name → what has to be known to read it."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return {name: note for callback in callbacks for name, note in getattr(callback, "notes", {}).items()}


def write_metrics(metrics: Mapping[str, float], folder: Path) -> dict[str, float]:
    """Writes `metrics.json`, and returns the numbers in it, by name."""
    numbers = {name: float(value) for name, value in sorted(metrics.items())}
    write_whole(folder / "metrics.json", json.dumps(numbers, indent=2) + "\n")
    return numbers


@contextmanager
def keeping_metrics(trainer: pl.Trainer, folder: Path, known: dict[str, float] | None = None) -> Iterator[None]:
    """Writes `metrics.json` when its block ends, however it ends: what is drawn or sent behind them costs no metric.

    Args:
        trainer: that evaluates in the block.
        folder: the run directory.
        known: earlier metrics; those of the block are added to them.
    """
    known = {} if known is None else known
    try:
        yield
    finally:
        known |= logged_metrics(trainer)
        if trainer.is_global_zero and known:
            write_metrics(known, folder)


def finish(metrics: Mapping[str, float], folder: Path, notes: Mapping[str, str] | None = None) -> None:
    """Writes `metrics.json` and prints, as the door's last lines, the table of metrics and the run directory."""
    numbers = write_metrics(metrics, folder)
    logging.shutdown()
    Printer().print(metrics_table(numbers, notes))
    print(folder)


def metrics_table(metrics: Mapping[str, float], notes: Mapping[str, str] | None = None) -> Table:
    """Makes a table with a row for each `<split>/<metric>`; its baselines, `<metric>_<baseline>`, and its note
    stand beside it where there are any.

    Values that training logged under `train/` are left out where validation or test were evaluated.
    """
    elsewhere = any(name.startswith(("val/", "test/")) for name in metrics)
    passed_over = ("lr-", "train/") if elsewhere else ("lr-",)
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        metric, baseline = _NAME.fullmatch(name).groups()  # type: ignore[union-attr]
        if metric not in metrics:
            metric, baseline = name, None
        if not name.startswith(passed_over):
            cells.setdefault(metric, {})[baseline or ""] = value
    baselines = [name for name in BASELINES if any(name in row for row in cells.values())]
    table = Table(Column("metric", overflow="fold"), "value", *(BASELINES[name] for name in baselines))
    noted = {metric: note for metric, note in (notes or {}).items() if metric in cells}
    if noted:
        table.add_column("note", overflow="fold")
    for metric, row in sorted(cells.items()):
        values = (f"{row[c]:.4f}" if c in row else "" for c in ("", *baselines))
        table.add_row(metric, *values, *([noted.get(metric, "")] if noted else []))
    return table
