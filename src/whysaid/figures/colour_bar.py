"""What the colours of a figure mean, and over which range."""

from collections.abc import Iterable

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, box
from whysaid.figures.overlay import colours, largest
from whysaid.figures.text import fit, put

SIZE = 9.5
"""Font size, points."""

FOOT = 0.42
"""Inches that a colour bar takes at the foot of a figure."""


RELEVANCE, MAGNITUDE, ATTENTION = "relevance", "magnitude", "attention"
"""What maps show: for and against; how much, without a sign; shares, of which the uniform one is neutral."""


def ranges(values: NDArray[np.floating], same: bool, neutral: float = 0.0) -> list[float]:
    """The `largest` of each of T maps (T, …), or of all of them, T times; 1 where all is 0."""
    limits = [largest(values, neutral)] * len(values) if same else [largest(part, neutral) for part in values]
    return [limit or 1.0 for limit in limits]


def span(limit: float, signed: bool, neutral: float = 0.0) -> str:
    """A range as text: `±0.4`, or `max 0.4` where nothing is below zero; of attention, `to 4 × uniform`."""
    if neutral:
        return f"to {limit / neutral:.3g} × uniform"
    return f"±{limit:.3g}" if signed else f"max {limit:.3g}"


def kind_of(signed: bool, neutral: float) -> str:
    """What a map shows, by whether its sign means something and whether it has a neutral value."""
    return RELEVANCE if signed else ATTENTION if neutral else MAGNITUDE


def colour_keys(figure: Figure, margin: float, length: float, kinds: Iterable[str]) -> None:
    """Draws a bar for each kind of map, without numbers, above one another, each `FOOT` inches high."""
    for number, kind in enumerate(sorted(set(kinds))):
        neutral = 1.0 if kind == ATTENTION else 0.0
        what = f"{kind} of the image" if kind != ATTENTION else f"{kind} to the image"
        colour_bar(figure, margin, length, kind == RELEVANCE, None, what, number * FOOT, neutral)


def colour_bar(
    figure: Figure,
    margin: float,
    length: float,
    signed: bool,
    limit: float | None,
    quantity: str,
    above: float = 0.0,
    neutral: float = 0.0,
) -> None:
    """Draws the colours in the lower right corner, `length` inches wide and `above` inches up; `limit` is the range
    that all share, or None where each has its own; `quantity` says what the colours are of, and `neutral` is the value
    without colour, where there is one."""
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
    if neutral:
        labels = ["≤ uniform, 1/R", "most" if limit is None else f"{limit / neutral:.3g} × that"]
    bar.set_ticks(ticks, labels=labels, fontsize=SIZE, color=GREY)
    axes.tick_params(length=0, pad=2)
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    size = fit(quantity, SIZE, left - 0.15)
    put(figure, quantity, left - 0.1, height - above - 0.40, size, GREY, align="right")
