"""What the colours of a figure mean, and over which range."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, box
from whysaid.figures.overlay import colours
from whysaid.figures.text import put

SIZE = 9.5
"""Font size, points."""

FOOT = 0.42
"""Inches that a colour bar takes at the foot of a figure."""


def ranges(values: NDArray[np.floating], same: bool) -> list[float]:
    """The largest |value| of each of T maps (T, …), or of all of them, T times; 1 where all is 0."""
    limits = np.abs(values).max(axis=tuple(range(1, values.ndim)), initial=0)
    return [float(limit) or 1.0 for limit in (np.full_like(limits, limits.max(initial=0)) if same else limits)]


def span(limit: float, signed: bool) -> str:
    """A range as text: `±0.4`, or `max 0.4` where nothing is below zero."""
    return f"±{limit:.3g}" if signed else f"max {limit:.3g}"


def colour_bar(
    figure: Figure,
    margin: float,
    length: float,
    signed: bool,
    limit: float | None,
    quantity: str,
    above: float = 0.0,
) -> None:
    """In the lower right corner, `length` inches wide and `above` inches up: the range that all share, or None where
    each has its own."""
    width, height = figure.get_size_inches()
    left = width - margin - length
    axes = figure.add_axes(box(figure, left, height - above - 0.38, length, 0.09))
    end = limit or 1.0
    bar = figure.colorbar(
        ScalarMappable(Normalize(-end if signed else 0, end), colours(signed)), cax=axes, orientation="horizontal"
    )
    bar.outline.set_visible(False)  # type: ignore[operator]
    ticks = [-end, 0, end] if signed else [0, end]
    labels = [f"{tick:.3g}".replace("-", "−") for tick in ticks]
    if limit is None:
        labels = ["against", "0", "for"] if signed else ["0", "most"]
    bar.set_ticks(ticks, labels=labels, fontsize=SIZE, color=GREY)
    axes.tick_params(length=0, pad=2)
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    put(figure, quantity, left - 0.1, height - above - 0.40, SIZE, GREY, align="right")
