"""What every study returns, and how it is written down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import Logger, WandbLogger
from rich.table import Table

from whysaid.data.files.table import TableValue, csv_text
from whysaid.data.files.whole import write_whole
from whysaid.figures.canvas import save, to_array
from whysaid.run.printable import encodable_values


class Study(Protocol):
    """One experiment, its settings in `conf/study/<name>.yaml`."""

    def __call__(self, task: Any, data: Any, folder: Path) -> "Outcome":
        """Runs on what `build_evaluation` of the checkpoint's task gave; `folder` is the run directory, for what grows
        while it runs and so survives a kill."""


@dataclass
class Outcome:
    """A table, its figures and its numbers.

    rows: one dictionary per row, with the same keys in the same order; None where there is no value. Columns `x_low`
        and `x_high` are the confidence interval of `x`.
    metrics: `<split>/<metric>` → number, for metrics.json and the loggers.
    figures: name → figure; "" is the study's own picture, `<study>.png`, others are `<study>_<name>.png`.
    tables: name → further rows, each `<study>_<name>.csv`; not printed.
    details: whatever else belongs into `<study>.json`, plain containers.
    notes: sentences for the reader, printed under the table: what was skipped and why.
    """

    rows: Sequence[Mapping[str, TableValue]]
    metrics: Mapping[str, float]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, TableValue]]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def write(self, folder: Path, name: str) -> None:
        """Writes `<name>.json`, `.csv` and `.png` into the run directory."""
        tables = {part: list(rows) for part, rows in self.tables.items()}
        about = {"rows": list(self.rows), "notes": list(self.notes), **tables, **self.details}
        write_whole(folder / f"{name}.json", json.dumps(about, indent=1) + "\n")
        for part, rows in {"": self.rows, **self.tables}.items():
            write_whole(folder / (f"{name}_{part}.csv" if part else f"{name}.csv"), csv_text(rows))
        for part, figure in self.figures.items():
            save(figure, folder / (f"{name}_{part}.png" if part else f"{name}.png"))

    def table(self) -> Table:
        """The rows as they are printed, each interval in the cell of its value."""
        names = list(self.rows[0]) if self.rows else []
        shown = [n for n in names if n.removesuffix("_low").removesuffix("_high") not in set(names) - {n}]
        table = Table(*shown)
        for row in self.rows:
            cells = []
            for name in shown:
                low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
                interval = "" if low is None or high is None else f" [{_text(low)}, {_text(high)}]"
                cells.append(_text(row[name]) + interval)
            table.add_row(*cells)
        return table

    def log(self, loggers: Sequence[Logger], name: str) -> None:
        """Gives numbers, table and figures to the loggers of a run, under the study's name."""
        for logger in loggers:
            logger.log_metrics(dict(self.metrics))
            if isinstance(logger, WandbLogger):
                pictures = {part or name: Image.fromarray(to_array(figure)) for part, figure in self.figures.items()}
                for part, picture in pictures.items():
                    logger.log_image(f"{name}/{part}", [picture])
                for part, rows in {"table": self.rows, **self.tables}.items():
                    if rows:
                        values = encodable_values([list(row.values()) for row in rows])
                        logger.log_table(f"{name}/{part}", list(rows[0]), values)


def counts_text(counts: Mapping[str, int]) -> str:
    """What was counted and is not 0, as text for a note: `3 too small, 1 crowd`, or `nothing`."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"


def _text(cell: TableValue) -> str:
    """A cell as it is printed; small numbers keep two digits that say something."""
    if not isinstance(cell, float):
        return "" if cell is None else str(cell)
    return f"{cell:.3f}" if abs(cell) >= 1e-3 or cell == 0 else f"{cell:.1e}"
