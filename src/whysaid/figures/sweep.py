"""What the jobs of a sweep scored, against each key that was varied."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.curves import SMALL

PANEL, HEIGHT, LEFT, TOP, GAP, FOOT = 2.8, 2.6, 0.8, 0.3, 0.35, 0.95
"""Width and height of a panel, and what is around it, inches."""

MOST = 6
"""Panels."""


def sweep_figure(columns: Mapping[str, Sequence[str]], values: Sequence[float], metric: str) -> Figure:
    """Draws a panel for each key, a dot for each job; numbers on a line (logarithmic where they span decades), words
    beside each other.

    Args:
        columns: key → its value in each job. Without any, the jobs stand in their own order.
        values: metric of each job.
        metric: its name.
    """
    panels = dict(list(columns.items())[:MOST]) or {"job": [str(i) for i in range(len(values))]}
    width = LEFT + len(panels) * (PANEL + GAP)
    figure = blank(width, TOP + HEIGHT + FOOT)
    for i, (key, texts) in enumerate(panels.items()):
        axes = figure.add_axes(box(figure, LEFT + i * (PANEL + GAP), TOP, PANEL, HEIGHT))
        _place(axes, texts, values)
        axes.set_xlabel(key, fontsize=SMALL + 1, parse_math=False)
        axes.tick_params(labelsize=SMALL, colors=GREY)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
        if i == 0:
            axes.set_ylabel(metric, fontsize=SMALL + 1, parse_math=False)
        else:
            axes.set_yticklabels([])
    return figure


def _place(axes: Axes, texts: Sequence[str], values: Sequence[float]) -> None:
    try:
        at = np.array([float(text) for text in texts])
    except ValueError:
        words = sorted(set(texts))
        axes.plot([words.index(text) for text in texts], values, "o", markersize=5, alpha=0.8)
        axes.set_xticks(range(len(words)), [word[:24] for word in words], rotation=20, ha="right", parse_math=False)
        axes.margins(x=0.15)
        return
    axes.plot(at, values, "o", markersize=5, alpha=0.8)
    if (at > 0).all() and at.max() >= 20 * at.min():
        axes.set_xscale("log")
