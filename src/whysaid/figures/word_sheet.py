"""Words of several captions, each with its photo and its maps by several methods: Fig. 4–5 of Sun et al. 2020.

h × w cells of a map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import add_picture, blank, picture_size
from whysaid.figures.colour_bar import FOOT, colour_keys, kind_of
from whysaid.figures.marks import CONFUSED, legend_height, marks_legend
from whysaid.figures.overlay import overlay
from whysaid.figures.text import fit, line_height, put, put_lines, wrap

Array = NDArray[np.floating]

PANEL, GAP, MARGIN, BETWEEN = 1.25, 0.07, 0.15, 0.45
"""Inches: width of a panel, between panels, around the figure, between the two columns of words."""

KEY = 1.6
"""Inches of a colour bar."""

NAME, SAID = 9.5, 10.0
"""Font sizes of methods and captions, points."""

COLUMNS = 2
"""Words beside one another."""

LINES = 6
"""Of a caption, at most."""


@dataclass(frozen=True)
class SheetWord:
    """One word of a caption.

    image: (H, W, 3) in [0, 1]. caption: its words. place: of the word among them. maps: method → (h, w); every word of
    a sheet has the same methods. signed: the methods whose map may speak against a word. uniform: method → the value of
    its map that is neutral, of those that have one.
    """

    image: Array
    caption: Sequence[str]
    place: int
    maps: Mapping[str, Array]
    signed: frozenset[str] = frozenset()
    uniform: Mapping[str, float] = field(default_factory=dict)


def word_sheet(words: Sequence[SheetWord]) -> Figure:
    """Draws two hallucinated words to a row: photo and maps side by side, the caption beneath with the word marked; at
    least one."""
    methods, columns = list(words[0].maps), min(COLUMNS, len(words))
    wide = (1 + len(methods)) * (PANEL + GAP) - GAP
    rows = [words[i : i + columns] for i in range(0, len(words), columns)]
    heights = [max(_height(word, wide) for word in row) for row in rows]
    head = line_height(NAME) + 0.04
    kinds = {kind_of(name in words[0].signed, words[0].uniform.get(name, 0.0)) for name in methods}
    width = max(2 * MARGIN + columns * (wide + BETWEEN) - BETWEEN, 2 * MARGIN + 2 * KEY + 0.4)
    below = 2 * MARGIN + head + sum(heights)
    legend = legend_height([CONFUSED])
    figure = blank(width, below + legend + len(kinds) * FOOT)
    for column in range(columns):
        for i, name in enumerate(methods):
            middle = MARGIN + column * (wide + BETWEEN) + (i + 1) * (PANEL + GAP) + PANEL / 2
            put(figure, name, middle, MARGIN, fit(name, NAME, PANEL), align="center")
    top = MARGIN + head
    for row, height in zip(rows, heights, strict=True):
        for column, word in enumerate(row):
            _draw(figure, word, MARGIN + column * (wide + BETWEEN), top, wide)
        top += height
    marks_legend(figure, [CONFUSED], MARGIN, below - MARGIN, width - 2 * MARGIN)
    colour_keys(figure, MARGIN, KEY, kinds)
    return figure


def _height(word: SheetWord, wide: float) -> float:
    return _tall(word) + 0.05 + len(_lines(word, wide)) * line_height(SAID) + 0.12


def _tall(word: SheetWord) -> float:
    return picture_size(word.image, PANEL)[1]


def _lines(word: SheetWord, wide: float) -> list[list[str]]:
    return wrap(word.caption, SAID, 0.95 * wide, LINES)  # a bold word is wider


def _draw(figure: Figure, word: SheetWord, left: float, top: float, wide: float) -> None:
    add_picture(figure, word.image, left, top, PANEL)
    for i, (name, heat) in enumerate(word.maps.items()):
        panel = overlay(word.image, heat, name in word.signed, neutral=word.uniform.get(name, 0.0))
        add_picture(figure, panel, left + (i + 1) * (PANEL + GAP), top, PANEL)
    put_lines(figure, _lines(word, wide), left, top + _tall(word) + 0.05, SAID, marks={word.place: CONFUSED.mark})
