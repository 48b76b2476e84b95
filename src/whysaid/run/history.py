"""`metrics.csv`: the history of a run, one row a step, continued when the run is resumed."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only


class History(Logger):
    """Writes every logged scalar to `<folder>/metrics.csv`.

    Lightning's own CSVLogger deletes the file of an earlier run in its directory; this one goes on, and forgets the
    rows of steps that a resumed run is about to repeat.
    """

    def __init__(self, folder: str):
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self.rows: list[dict[str, Any]] = []
        self.columns = ["step"]
        self._continued = self.path.exists()
        if self._continued:
            with self.path.open(newline="") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or ["step"])
                whole = [row for row in reader if row["step"] and None not in row.values()]
            self.rows = [{name: value for name, value in row.items() if value} for row in whole]

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> int:
        return 0

    @property
    def save_dir(self) -> str:
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Does nothing: `config.yaml` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Adds values of some metrics at a step; values of the same step share a row."""
        at = step if step is not None else len(self.rows)
        if self._continued or (self.rows and int(self.rows[-1]["step"]) > at):
            self.rows = [row for row in self.rows if int(row["step"]) < at]
            self._continued = False
        if self.rows and int(self.rows[-1]["step"]) == at:
            self.rows[-1] |= metrics
        else:
            self.rows.append({"step": at, **metrics})

    @rank_zero_only
    def save(self) -> None:
        """The whole file, written under another name and renamed: a killed run leaves the one before."""
        names = {name for row in self.rows for name in row}
        self.columns = ["step", *sorted(names - {"step"})]
        partial = self.path.with_suffix(".csv.partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)
        partial.replace(self.path)
