"""What several methods show of the same words: a row for each method, a column for each word.

T words, h × w cells of a map.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import add_picture, blank, picture_size
from whysaid.figures.colour_bar import FOOT, colour_bar, colour_keys, kind_of, ranges
from whysaid.figures.foot_note import foot_note, note_height
from whysaid.figures.overlay import overlay
from whysaid.figures.share_bar import LEGEND, OF_IMAGE, OF_WORDS, THICK, share_bar, share_legend
from whysaid.figures.text import fit, line_height, put, wrap
from whysaid.figures.titles import title

Array = NDArray[np.floating]

PER_BLOCK = 8
"""Words beside one another at most; longer sentences are broken into blocks of nearly the same length."""

PANEL, GAP, MARGIN, NAMES, KEY = 1.08, 0.06, 0.15, 1.25, 1.7
"""Inches: width of a panel, between panels, around the figure, of the methods' names, of a colour bar."""

WORD, NAME, HEAD, BETWEEN = 12.0, 11.0, 0.3, 0.2
"""Font sizes of words and of methods, points; inches of a row of words, and between blocks."""


def comparison(
    image: Array,
    words: Sequence[str],
    maps: Mapping[str, Array],
    signed: Mapping[str, bool],
    same_range: bool = False,
    uniform: Mapping[str, float] = MappingProxyType({}),
    shares: Mapping[str, Array] = MappingProxyType({}),
    quantity: str = "",
    note: str = "",
) -> Figure:
    """Draws an overlay of the photo beneath each word, by each method; what the colours mean stands at the foot.

    Args:
        image: (H, W, 3) in [0, 1].
        words: T ≥ 1 of them.
        maps: name of a method → (T, h, w); at least one.
        signed: name → whether red speaks for a word and blue against it; otherwise maps are ≥ 0, yellow to red.
        same_range: one colour range for all words of a method; or one for each word by each method. Different methods
            never share theirs, for their units differ.
        uniform: name → the value that is neutral, of maps of attention.
        shares: name → (T, 2) or (T, 1), as `share_bar` takes them, of the methods that have a bar beneath each word.
        quantity: what all colours are of, where it is none of the kinds of `colour_keys`.
        note: a sentence beneath the panels.
    """
    names = {name: wrap(title(name).split(), NAME, NAMES - 0.1) for name in maps}
    _, tall = picture_size(image, PANEL)
    bar = THICK + 0.03 if shares else 0.0
    step = GAP + max(tall + bar, *(len(lines) * line_height(NAME) for lines in names.values()))
    columns = -(-len(words) // -(-len(words) // PER_BLOCK))
    blocks = [range(first, min(first + columns, len(words))) for first in range(0, len(words), columns)]
    block = HEAD + len(maps) * step
    width = 2 * MARGIN + NAMES + columns * (PANEL + GAP) - GAP
    width = max(width, 2 * MARGIN + 2 * KEY + 0.6)
    neutral = {name: uniform.get(name, 0.0) for name in maps}
    kinds = {kind_of(signed[name], neutral[name]) for name in maps}
    legend = LEGEND if shares else 0.0
    below = 2 * MARGIN + len(blocks) * (block + BETWEEN) - BETWEEN - GAP
    figure = blank(width, below + legend + len(kinds) * FOOT + note_height(note, width))
    foot_note(figure, note, below - MARGIN + legend)
    limits = {name: ranges(values, same_range, neutral[name]) for name, values in maps.items()}
    for number, places in enumerate(blocks):
        top = MARGIN + number * (block + BETWEEN)
        for column, t in enumerate(places):
            centre = _left(column) + PANEL / 2
            put(figure, words[t], centre, top + 0.03, fit(words[t], WORD, PANEL, "bold"), align="center", weight="bold")
        for row, (name, values) in enumerate(maps.items()):
            upper = top + HEAD + row * step + (step - GAP - tall - bar) / 2
            _name(figure, names[name], upper + tall / 2)
            for column, t in enumerate(places):
                panel, left = overlay(image, values[t], signed[name], limits[name][t], neutral[name]), _left(column)
                add_picture(figure, panel, left, upper, PANEL)
                if name in shares:
                    longest = float(shares[name].sum(1).max()) or 1.0
                    share_bar(figure, shares[name][t], longest, left, upper + tall + 0.02, PANEL, text=False)
    if shares:
        line = "bar: the word's share of all that the method finds for the caption; where two parts compare, of"
        share_legend(figure, line, MARGIN, below - MARGIN / 2, width - 2 * MARGIN, (OF_IMAGE, f"{OF_WORDS}, or β"))
    if quantity:
        colour_bar(figure, MARGIN, KEY, False, None, quantity)
    else:
        colour_keys(figure, MARGIN, KEY, kinds)
    return figure


def _left(column: int) -> float:
    """Where a column of panels begins, inches."""
    return MARGIN + NAMES + column * (PANEL + GAP)


def _name(figure: Figure, lines: Sequence[Sequence[str]], middle: float) -> None:
    """Writes the lines of a name around a height in inches."""
    top = middle - len(lines) * line_height(NAME) / 2
    for line in lines:
        text = " ".join(line)
        put(figure, text, MARGIN + NAMES - 0.12, top, fit(text, NAME, NAMES - 0.12), align="right")
        top += line_height(NAME)
