"""What is gained in one score against what is lost in another: points, families of points, and the frontier."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.curves import SMALL, add_legend, legend_width, palette
from whysaid.figures.foot_note import foot_note, note_height

PANEL, LEFT, TOP, FOOT = 4.6, 0.75, 0.25, 0.65
"""Side of the panel, and around it; inches."""

FRONTIER = "frontier"
"""What the staircase is called in the legend."""

Interval = tuple[float, float, float]
"""Value, and the ends of its interval."""


@dataclass(frozen=True)
class FrontierPoint:
    """One way to do it.

    Attributes:
        name: of it; of a member of a family, the family's name and then what tells it from the others.
        x: the score that should be high.
        y: the score that should be low.
        family: those of one family are joined by a line and share a colour; empty for a point by itself.
        best: no other point is better in both.
    """

    name: str
    x: Interval
    y: Interval
    family: str = ""
    best: bool = False


def frontier(points: Sequence[FrontierPoint], x_label: str, y_label: str, note: str = "") -> Figure:
    """Points with their intervals; the dotted staircase joins those that no other point beats in both scores.

    Args:
        points: at least one; the members of a family one after the other.
        x_label, y_label: of the axes.
        note: what points and lines are, and of how many images, to stand beneath.
    """
    groups = [(family or name, list(of)) for (family, name), of in groupby(points, _group)]
    names = [*(name for name, _ in groups), FRONTIER]
    right = legend_width(names)
    width = LEFT + PANEL + right
    figure = blank(width, TOP + PANEL + FOOT + note_height(note, width))
    axes = figure.add_axes(box(figure, LEFT, TOP, PANEL, PANEL))
    handles: list[Artist] = []
    for (_, group), colour in zip(groups, palette(len(groups)), strict=True):
        family = bool(group[0].family)
        (x, across), (y, along) = _with_ends([point.x for point in group]), _with_ends([point.y for point in group])
        axes.errorbar(x, y, along, across, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.35)
        (line,) = axes.plot(x, y, color=colour, **(_JOINED if family else _ALONE))
        handles.append(line)
        for point in group if family else ():
            text = point.name.removeprefix(point.family).strip()
            place = (point.x[0], point.y[0])
            axes.annotate(text, place, (4, -9), textcoords="offset points", fontsize=SMALL - 2, color=GREY)
    handles.append(_stairs(axes, [point for point in points if point.best]))
    axes.set_xlabel(x_label, fontsize=SMALL + 1)
    axes.set_ylabel(y_label, fontsize=SMALL + 1)
    axes.tick_params(labelsize=SMALL, colors=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    add_legend(figure, handles, names, right, TOP + PANEL / 2)
    foot_note(figure, note)
    return figure


_JOINED: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.2}
_ALONE: dict[str, Any] = {"marker": "D", "markersize": 7, "linestyle": "none"}


def _with_ends(intervals: Sequence[Interval]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Values (K,), and how far below and above them their intervals end, (2, K)."""
    values, low, high = np.array(intervals).T
    return values, np.abs([values - low, high - values])


def _group(point: FrontierPoint) -> tuple[str, str]:
    return point.family, "" if point.family else point.name


def _stairs(axes: Axes, best: Sequence[FrontierPoint]) -> Artist:
    """The lowest y that is reached at each x or more."""
    corners = sorted((point.x[0], point.y[0]) for point in best)
    x, y = [x for x, _ in corners], [y for _, y in corners]
    (line,) = axes.step(x, y, where="pre", color=GREY, linestyle=":", linewidth=1, zorder=0)
    return line
