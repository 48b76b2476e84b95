"""Which words each explained word rests on: the sentence once for each of its words, coloured by their relevance.

T explained words, S words read.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, blank
from whysaid.figures.colour_bar import FOOT, colour_bar, ranges, span
from whysaid.figures.overlay import colours
from whysaid.figures.text import fit, put, width_of

Array = NDArray[np.floating]

WIDEST = 9.6
"""Inches that the words of the longest row may take; longer sentences are set smaller."""

WORD, NOTE, TITLE = 12.0, 9.0, 12.5
"""Font sizes, points, of words, of a row's range and of a method's name."""

MARGIN, PAD, GAP, RANGE, BAR = 0.2, 0.09, 0.05, 0.75, 1.9
"""Inches: around the figure, beside a word in its box, between boxes, of a row's range, of the colour bar."""

ROW, HEAD, BETWEEN = 0.34, 0.36, 0.16
"""Inches from row to row, of a method's name, and between methods."""


def word_matrix(
    read: Sequence[str],
    said: Sequence[str],
    context_lengths: Sequence[int],
    relevance: Mapping[str, Array],
    same_range: bool = False,
) -> Figure:
    """A row for each explained word, which stands in bold after the words it was said on: red ones spoke for it, blue
    ones against it.

    Args:
        read: S words, `<start>` included.
        said: T explained words.
        context_lengths: T numbers: word t was said after reading the first so many of `read`.
        relevance: name of a method → (T, S); the methods stand below one another.
        same_range: one colour range for all words of a method, so that they compare; or each word has its own, which is
            written at its left.
    """
    size, columns = _columns(read, said, context_lengths)
    width = MARGIN + RANGE + sum(columns) + GAP * (len(columns) - 1) + MARGIN
    height = MARGIN + len(relevance) * (HEAD + ROW * len(said) + BETWEEN) + FOOT - BETWEEN + GAP
    figure = blank(max(width, 2 * MARGIN + 2 * BAR), height)
    top = MARGIN
    for name, values in relevance.items():
        width = figure.get_size_inches()[0] - 2 * MARGIN
        put(figure, name, MARGIN, top, fit(name, TITLE, width, "bold"), weight="bold")
        top += HEAD
        for t, limit in enumerate(ranges(values, same_range)):
            note_top = top + (ROW - 0.05 - NOTE / 72) / 2
            put(figure, span(limit, True), MARGIN + RANGE - 0.12, note_top, NOTE, GREY, align="right")
            cells = [*(values[t, : context_lengths[t]] / limit), None]
            _row(figure, [*read[: context_lengths[t]], said[t]], cells, columns, top, size)
            top += ROW
        top += BETWEEN
    colour_bar(figure, MARGIN, BAR, True, None, "relevance")
    return figure


def _columns(read: Sequence[str], said: Sequence[str], context_lengths: Sequence[int]) -> tuple[float, list[float]]:
    """The font size, and the width in inches of the box at each place of the sentence."""
    number = max(context_lengths) + 1
    wide = [
        max(width_of(word, WORD, "bold") for word in _at(place, read, said, context_lengths)) for place in range(number)
    ]
    shrink = min(1.0, (WIDEST - number * (2 * PAD + GAP)) / sum(wide))
    return WORD * shrink, [shrink * word + 2 * PAD for word in wide]


def _at(place: int, read: Sequence[str], said: Sequence[str], context_lengths: Sequence[int]) -> list[str]:
    return [
        *read[place : place + 1],
        *(word for word, after in zip(said, context_lengths, strict=True) if after == place),
    ]


def _row(
    figure: Figure,
    words: Sequence[str],
    cells: Sequence[float | None],
    columns: Sequence[float],
    top: float,
    size: float,
) -> None:
    """The words in their boxes, coloured by values in [−1, 1]; None is the explained word."""
    left = MARGIN + RANGE
    for word, value, wide in zip(words, cells, columns, strict=False):
        colour = None if value is None else to_hex(colours(True)((value + 1) / 2))
        _box(figure, left, top, wide, colour)
        weight = "bold" if colour is None else "normal"
        fitted = fit(word, size, wide - PAD, weight)
        baseline = top + (ROW - 0.05 - fitted / 72) / 2 - 0.01
        put(figure, word, left + wide / 2, baseline, fitted, ink(colour or "#ffffff"), align="center", weight=weight)
        left += wide + GAP


def _box(figure: Figure, left: float, top: float, wide: float, colour: str | None) -> None:
    width, height = figure.get_size_inches()
    tall = ROW - 0.05
    figure.add_artist(
        FancyBboxPatch(
            (left / width, 1 - (top + tall) / height),
            wide / width,
            tall / height,
            boxstyle="square,pad=0",
            facecolor=colour or "none",
            edgecolor="none" if colour else "#222222",
            linewidth=1.1,
            transform=figure.transFigure,
        )
    )


def ink(colour: str) -> str:
    """Black or white, whichever is read better on a colour `#rrggbb` (WCAG 2 contrast)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "white" if float(linear @ [0.2126, 0.7152, 0.0722]) < 0.179 else "black"
