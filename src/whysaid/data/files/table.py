"""Tables of plain values, and how they are written as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

TableValue = str | int | float | bool | None
"""A value of a table; None where there is none."""


def csv_text(rows: Sequence[Mapping[str, TableValue]]) -> str:
    """Rows with the same keys in the same order as a CSV file with a head."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()
