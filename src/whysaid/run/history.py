"""`metrics.csv`: the history of a run, one row a step, continued when the run is resumed."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from whysaid.data.files.whole import replaced
from whysaid.errors import UserError


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
            self._read()

    def _read(self) -> None:
        """Goes on from the file. Raises UserError where it is no history."""
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or ["step"])
                whole = [row for row in reader if row["step"] and None not in row.values()]
            self.rows = [
                {"step": int(row["step"])} | {n: v for n, v in row.items() if v and n != "step"} for row in whole
            ]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise UserError(
                f"{self.path} is no history of a run ({type(error).__name__}): move it away, and a new one is begun"
            ) from error

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
        if self._continued or (self.rows and self.rows[-1]["step"] > at):
            self.rows = [row for row in self.rows if row["step"] < at]
            self._continued = False
        if self.rows and self.rows[-1]["step"] == at:
            self.rows[-1] |= metrics
        else:
            self.rows.append({"step": at, **metrics})

    @rank_zero_only
    def save(self) -> None:
        """Writes the whole file anew: a killed run leaves the one before."""
        names = {name for row in self.rows for name in row}
        self.columns = ["step", *sorted(names - {"step"})]
        with replaced(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)
