"""Curves of several methods in one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.foot_note import foot_note, note_height
from whysaid.figures.text import width_of
from whysaid.figures.titles import title

PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP, FOOT = 4.2, 3.4, 0.75, 0.45, 0.75, 0.65
"""Of a panel, and around it and between two; inches."""

SMALL = 9.0
"""Font size of ticks and legend, points."""

Colour = str | tuple[float, float, float, float]


@dataclass(frozen=True)
class Curve:
    """y (K,), and its confidence band where `low` and `high` (K,) are given. `reference`: dotted and grey, for what is
    no method."""

    name: str
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    reference: bool = False


def curves(
    panels: Mapping[str, tuple[ArrayLike, Sequence[Curve]]],
    x_label: str,
    y_label: str,
    unit: bool = True,
    note: str = "",
) -> Figure:
    """Draws panels side by side, with one legend.

    Args:
        panels: title → x (K,) and its curves. A name has one colour in all panels.
        x_label, y_label: of every panel.
        unit: the y axis begins at 0.
        note: what curves and bands are, and of how many images, to stand beneath.
    """
    solid = [c.name for _, group in panels.values() for c in group if not c.reference]
    colour = dict(zip(dict.fromkeys(solid), palette(len(set(solid))), strict=True))
    number, right = len(panels), legend_width([c.name for _, group in panels.values() for c in group])
    width = LEFT + number * (PANEL_WIDTH + GAP) - GAP + right
    figure = blank(width, TOP + PANEL_HEIGHT + FOOT + note_height(note, width))
    handles: dict[str, Artist] = {}
    for i, (heading, (x, group)) in enumerate(panels.items()):
        axes = figure.add_axes(box(figure, LEFT + i * (PANEL_WIDTH + GAP), TOP, PANEL_WIDTH, PANEL_HEIGHT))
        for curve in group:
            handles.setdefault(curve.name, _draw(axes, np.asarray(x), curve, colour.get(curve.name, GREY)))
        _dress(axes, heading, x_label, y_label, unit)
        if np.issubdtype(np.asarray(x).dtype, np.integer):
            axes.set_xticks(np.asarray(x))
    add_legend(figure, list(handles.values()), list(handles), right, TOP + PANEL_HEIGHT / 2)
    foot_note(figure, note)
    return figure


def legend_width(names: Sequence[str]) -> float:
    """Inches that a legend at the right edge needs, with the space around it."""
    return 0.85 + max((width_of(title(name), SMALL) for name in names), default=0.0)


def add_legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str], width: float, middle: float) -> None:
    """Adds a legend in the last `width` inches at the right, `middle` inches from the top."""
    whole_width, whole_height = figure.get_size_inches()
    place = 1 - (width - 0.1) / whole_width, 1 - middle / whole_height
    figure.legend(
        handles, [title(name) for name in names], loc="center left", bbox_to_anchor=place, frameon=False, fontsize=SMALL
    )


def palette(number: int) -> list[Colour]:
    """As many colours that can be told apart; the first eight by the colour-blind too (Okabe & Ito 2008)."""
    if number <= len(_SAFE):
        return [*_SAFE[:number]]
    return [colormaps["tab20" if number > 10 else "tab10"](i % 20) for i in range(number)]


_SAFE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d1f", "#222222")


def _draw(axes: Axes, x: NDArray[np.floating], curve: Curve, colour: Colour) -> Artist:
    style = ":" if curve.reference else "-"
    if curve.low is not None and curve.high is not None:
        axes.fill_between(
            x,
            np.asarray(curve.low),
            np.asarray(curve.high),
            color=colour,
            alpha=0.12,
            linewidth=0,  # type: ignore[arg-type]
        )
    (line,) = axes.plot(x, np.asarray(curve.y), style, color=colour, linewidth=1.6)  # type: ignore[arg-type]
    return line


def _dress(axes: Axes, heading: str, x_label: str, y_label: str, unit: bool) -> None:
    axes.set_title(heading, fontsize=11, loc="left", parse_math=False)
    axes.set_xlabel(x_label, fontsize=SMALL + 1)
    axes.set_ylabel(y_label, fontsize=SMALL + 1)
    axes.tick_params(labelsize=SMALL, colors=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    axes.margins(x=0.02)
    if unit:
        axes.set_ylim(bottom=0)
