"""Which words each explained word rests on: the sentence once for each of its words, coloured by their relevance.

T explained words, S words read.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, blank
from whysaid.figures.colour_bar import FOOT, MAGNITUDE, RELEVANCE, colour_bar, ranges, span
from whysaid.figures.overlay import colours
from whysaid.figures.text import fit, line_height, put, width_of

Array = NDArray[np.floating]

WIDEST = 9.6
"""Inches that the words of the longest row may take; longer sentences are set smaller."""

MOST = 30
"""Words of a sentence that are shown, from its beginning."""

WORD, NOTE, TITLE = 12.0, 9.0, 12.5
"""Font sizes, points, of words, of a row's range and of a method's name."""

MARGIN, PAD, GAP, RANGE, BAR = 0.2, 0.09, 0.05, 0.75, 1.9
"""Inches: around the figure, beside a word in its box, between boxes, of a row's range, of the colour bar."""

ROWS_AND_COLUMNS = (
    "a row: the explained word, framed, at its right end; at its left the range of its colours",
    "columns: the words that were read before it, in their order, coloured by what they did for it",
)

AXES = 2 * line_height(NOTE) + 0.1
"""Inches that the names of rows and columns take."""

ROW, HEAD, BETWEEN = 0.34, 0.36, 0.16
"""Inches from row to row, of a method's name, and between methods."""


def word_matrix(
    read: Sequence[str],
    said: Sequence[str],
    context_lengths: Sequence[int],
    relevance: Mapping[str, Array],
    same_range: bool = False,
    signed: Collection[str] | None = None,
) -> Figure:
    """Draws a row for each explained word, which stands in bold after the words it was said on: red ones spoke for it,
    blue ones against it; or, of a method without signs, the darker ones mattered more.

    Args:
        read: S words, `<start>` included.
        said: T explained words.
        context_lengths: T numbers: word t was said after reading the first so many of `read`.
        relevance: name of a method → (T, S); the methods stand below one another.
        same_range: one colour range for all words of a method, so that they compare; or each word has its own, which is
            written at its left.
        signed: names of the methods whose sign means something; None: all.
    """
    left_out = max(len(read), len(said)) - MOST
    read, said, context_lengths = read[:MOST], said[:MOST], [min(length, MOST) for length in context_lengths[:MOST]]
    relevance = {name: values[:MOST, :MOST] for name, values in relevance.items()}
    scale, columns = _columns(read, said, context_lengths)
    width = MARGIN + RANGE + sum(columns) + scale * GAP * (len(columns) - 1) + MARGIN
    signs = {name: signed is None or name in signed for name in relevance}
    kinds = sorted(set(signs.values()))
    foot = len(kinds) * FOOT + (0.2 if left_out > 0 else 0.0)
    height = MARGIN + AXES + len(relevance) * (HEAD + ROW * len(said) + BETWEEN) + foot - BETWEEN + GAP
    figure = blank(max(width, 2 * MARGIN + 2 * BAR + 0.4), height)
    if left_out > 0:
        put(figure, f"{left_out} more words are not shown", MARGIN, height - foot, NOTE, GREY)
    wide = figure.get_size_inches()[0] - 2 * MARGIN
    for line, text in enumerate(ROWS_AND_COLUMNS):
        put(figure, text, MARGIN, MARGIN + line * line_height(NOTE), fit(text, NOTE, wide), GREY)
    top = MARGIN + AXES
    for name, values in relevance.items():
        put(figure, name, MARGIN, top, fit(name, TITLE, wide, "bold"), weight="bold")
        top += HEAD
        for t, limit in enumerate(ranges(values, same_range)):
            note_top = top + (ROW - 0.05 - NOTE / 72) / 2
            put(figure, span(limit, signs[name]), MARGIN + RANGE - 0.12, note_top, NOTE, GREY, align="right")
            cells = [*(values[t, : context_lengths[t]] / limit), None]
            _row(figure, [*read[: context_lengths[t]], said[t]], cells, columns, top, scale, signs[name])
            top += ROW
        top += BETWEEN
    for number, sign in enumerate(kinds):
        what = f"{RELEVANCE if sign else MAGNITUDE} of the words read"
        colour_bar(figure, MARGIN, BAR, sign, None, what, number * FOOT)
    return figure


def _columns(read: Sequence[str], said: Sequence[str], context_lengths: Sequence[int]) -> tuple[float, list[float]]:
    """How much smaller all is set, and the width in inches of the box at each place of the sentence."""
    number = max(context_lengths) + 1
    wide = [
        max(width_of(word, WORD, "bold") for word in _at(place, read, said, context_lengths)) for place in range(number)
    ]
    scale = min(1.0, WIDEST / (sum(wide) + number * (2 * PAD + GAP)))
    return scale, [scale * (word + 2 * PAD) for word in wide]


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
    scale: float,
    signed: bool,
) -> None:
    """Draws the words in their boxes, coloured by values in [−1, 1], or [0, 1]; None is the explained word."""
    left = MARGIN + RANGE
    for word, value, wide in zip(words, cells, columns, strict=False):
        colour = None if value is None else to_hex(colours(signed)((value + 1) / 2 if signed else value))
        _box(figure, left, top, wide, colour)
        weight = "bold" if colour is None else "normal"
        fitted = fit(word, scale * WORD, wide - scale * PAD, weight)
        baseline = top + (ROW - 0.05 - fitted / 72) / 2 - 0.01
        put(figure, word, left + wide / 2, baseline, fitted, ink(colour or "#ffffff"), align="center", weight=weight)
        left += wide + scale * GAP


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
