"""Differences of means with stars where a test calls them significant: a panel for each pair of groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.foot_note import foot_note, note_height
from whysaid.figures.text import fit, put, width_of
from whysaid.figures.titles import title

CELL_WIDTH, CELL_HEIGHT, TOP, BETWEEN, FOOT = 0.78, 0.3, 0.45, 0.3, 1.35
"""Inches: of a cell, above a panel, between panels, and below the last for slanted names."""

SMALL = 8.0
"""Points."""

STRONGEST = 5.0
"""The |t| of full colour."""


@dataclass(frozen=True)
class Difference:
    """A difference of means and its t; None where there is none. starred: significant."""

    value: float | None
    t: float | None
    starred: bool = False


def differences(
    panels: Mapping[str, Mapping[str, Mapping[str, Difference]]], columns: Sequence[str], note: str = ""
) -> Figure:
    """Draws differences, red where the first group's mean is higher, blue where the second's is; the colour is t, the
    number the difference in the measure's own unit.

    Args:
        panels: title → name of a row → name of a column → Difference.
        columns: the order of the columns.
        note: what numbers and colours are, to stand beneath.
    """
    names = [title(name) for rows in panels.values() for name in rows]
    left = 0.3 + max(width_of(name, SMALL) for name in names)
    heights = [len(rows) * CELL_HEIGHT for rows in panels.values()]
    width, below = left + len(columns) * CELL_WIDTH + 0.2, sum(heights) + len(panels) * (TOP + BETWEEN) - BETWEEN + FOOT
    figure = blank(width, below + note_height(note, width))
    top = TOP
    for i, ((heading, rows), height) in enumerate(zip(panels.items(), heights, strict=True)):
        put(figure, heading, left, top - 0.27, SMALL + 3, weight="bold")
        _panel(figure, rows, columns, (left, top, height), last=i == len(panels) - 1)
        top += height + TOP + BETWEEN
    foot_note(figure, note)
    return figure


def _panel(
    figure: Figure,
    rows: Mapping[str, Mapping[str, Difference]],
    columns: Sequence[str],
    place: tuple[float, float, float],
    last: bool,
) -> None:
    left, top, height = place
    axes = figure.add_axes(box(figure, left, top, len(columns) * CELL_WIDTH, height))
    colour = colormaps["RdBu_r"]
    for y, row in enumerate(rows.values()):
        for x, name in enumerate(columns):
            difference = row.get(name, Difference(None, None))
            strength = None if difference.t is None else max(-1.0, min(1.0, difference.t / STRONGEST))
            face = "#f2f2f2" if strength is None else colour(0.5 + 0.42 * strength)
            axes.fill([x, x + 1, x + 1, x], [y, y, y + 1, y + 1], color=face, linewidth=0)
            if difference.value is not None:
                text = _number(difference.value) + ("*" if difference.starred else "")
                weight = "bold" if difference.starred else "normal"
                size = fit(text, SMALL, CELL_WIDTH - 0.06, weight)
                axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=size, weight=weight)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_yticks([y + 0.5 for y in range(len(rows))], [title(name) for name in rows])
    axes.set_xticks([x + 0.5 for x in range(len(columns))], columns if last else [], rotation=35, ha="right")
    axes.tick_params(labelsize=SMALL, length=0, colors=GREY)
    axes.spines[:].set_visible(False)


def _number(value: float) -> str:
    """The number as text, signed, with two or three digits that say something."""
    size = abs(value)
    if size >= 10:
        return f"{value:+.0f}"
    return f"{value:+.3f}" if size >= 1e-3 or size == 0 else f"{value:+.0e}"
