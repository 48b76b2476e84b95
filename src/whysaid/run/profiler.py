"""Measures where the time of a step goes, and prints it as a table that fits a terminal."""

from io import StringIO

from pytorch_lightning.profilers import SimpleProfiler
from rich.console import Console
from rich.table import Column, Table

WIDTH = 120
"""Width of the table, characters."""


class LargestRows(SimpleProfiler):
    """Lightning's profiler of actions, which prints the largest of them alone when training ends.

    Args:
        rows: how many actions are printed at most.
    """

    def __init__(self, rows: int = 20):
        super().__init__(extended=False)
        self.rows = rows

    def summary(self) -> str:
        """Returns a table: action, calls, mean and total seconds, and the share of the largest total."""
        totals = sorted(((sum(times), name) for name, times in self.recorded_durations.items() if times), reverse=True)
        table = Table(
            Column("action", overflow="fold"),
            *(Column(name, justify="right") for name in ("calls", "mean s", "total s", "share")),
        )
        for total, name in totals[: self.rows]:
            calls = len(self.recorded_durations[name])
            table.add_row(name, str(calls), f"{total / calls:.4f}", f"{total:.2f}", f"{total / totals[0][0]:.1%}")
        text = StringIO()
        Console(file=text, width=WIDTH).print(table)
        left_out = len(totals) - len(totals[: self.rows])
        note = f"\n{left_out} smaller actions are left out." if left_out else ""
        return f"Profile: the {min(self.rows, len(totals))} largest actions.\n{text.getvalue().rstrip()}{note}\n"
