"""What several methods show of the same words: a row for each method, a column for each word.

T words, h × w cells of a map.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import add_picture, blank
from whysaid.figures.colour_bar import FOOT, colour_bar, ranges
from whysaid.figures.overlay import overlay
from whysaid.figures.text import fit, line_height, put, wrap
from whysaid.figures.titles import title

Array = NDArray[np.floating]

PER_BLOCK = 8
"""Words beside one another at most; longer sentences are broken into blocks of nearly the same length."""

PANEL, GAP, MARGIN, NAMES, KEY = 1.08, 0.06, 0.15, 1.25, 1.4
"""Inches: width of a panel, between panels, around the figure, of the methods' names, of a colour bar."""

WORD, NAME, HEAD, BETWEEN = 12.0, 11.0, 0.3, 0.2
"""Font sizes of words and of methods, points; inches of a row of words, and between blocks."""


def comparison(
    image: Array, words: Sequence[str], maps: Mapping[str, Array], signed: Mapping[str, bool], same_range: bool = False
) -> Figure:
    """The photo, and beneath each word an overlay by each method; what the colours mean stands at the foot.

    Args:
        image: (H, W, 3) in [0, 1].
        words: T ≥ 1 of them.
        maps: name of a method → (T, h, w); at least one.
        signed: name → whether red speaks for a word and blue against it; otherwise maps are ≥ 0, yellow to red.
        same_range: one colour range for all words of a method; or one for each word by each method. Different methods
            never share theirs, for their units differ.
    """
    tall = PANEL * image.shape[0] / image.shape[1]
    columns = -(-len(words) // -(-len(words) // PER_BLOCK))
    blocks = [range(first, min(first + columns, len(words))) for first in range(0, len(words), columns)]
    block = HEAD + len(maps) * (tall + GAP)
    width = 2 * MARGIN + NAMES + columns * (PANEL + GAP) - GAP
    kinds = sorted({signed[name] for name in maps})
    foot = len(kinds) * FOOT
    figure = blank(width, 2 * MARGIN + len(blocks) * (block + BETWEEN) - BETWEEN - GAP + foot)
    limits = {name: ranges(values, same_range) for name, values in maps.items()}
    for number, places in enumerate(blocks):
        top = MARGIN + number * (block + BETWEEN)
        for column, t in enumerate(places):
            centre = MARGIN + NAMES + column * (PANEL + GAP) + PANEL / 2
            put(figure, words[t], centre, top + 0.03, fit(words[t], WORD, PANEL, "bold"), align="center", weight="bold")
        for row, (name, values) in enumerate(maps.items()):
            upper = top + HEAD + row * (tall + GAP)
            _name(figure, name, upper + tall / 2)
            for column, t in enumerate(places):
                panel = overlay(image, values[t], signed[name], limits[name][t])
                add_picture(figure, panel, MARGIN + NAMES + column * (PANEL + GAP), upper, PANEL)
    for number, kind in enumerate(kinds):
        quantity = "relevance" if kind else "strength"
        colour_bar(figure, MARGIN, KEY, kind, None, quantity, above=number * FOOT)
    return figure


def _name(figure: Figure, name: str, middle: float) -> None:
    """In as many lines as it needs, around a height in inches."""
    lines = wrap(title(name).split(), NAME, NAMES - 0.1)
    top = middle - len(lines) * line_height(NAME) / 2
    for line in lines:
        text = " ".join(line)
        put(figure, text, MARGIN + NAMES - 0.12, top, fit(text, NAME, NAMES - 0.12), align="right")
        top += line_height(NAME)
