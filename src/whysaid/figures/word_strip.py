"""One picture per caption: the photo, then what each word looked at.

T words, h × w cells of a map.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture, blank
from whysaid.figures.colour_bar import FOOT, colour_bar, ranges, span
from whysaid.figures.overlay import overlay
from whysaid.figures.text import fit, put

PER_ROW = 6
"""Panels in a row, the photo included."""

PANEL, GAP, MARGIN = 1.9, 0.12, 0.15
"""Width of a panel, between panels, around the picture; inches."""

WORD, NOTE = 13.0, 9.5
"""Font sizes of words and of the notes beneath them, points."""


def word_strip(
    image: NDArray[np.floating],
    words: Sequence[str],
    maps: NDArray[np.floating],
    signed: bool = False,
    sentinel: Sequence[float] | None = None,
    quantity: str = "attention",
    same_range: bool = True,
) -> Figure:
    """The photo and an overlay for each word, in rows of at most six.

    Args:
        image: (H, W, 3) in [0, 1].
        words: T of them.
        maps: (T, h, w), ≥ 0 unless `signed`.
        signed: red speaks for the word, blue against it.
        sentinel: β of each word, in [0, 1]: the share of attention that went to language instead of the image.
        quantity: what the maps hold, for the colour bar.
        same_range: one colour range for all words, so that they compare; or each word has its own, written above its
            overlay.
    """
    limits = ranges(maps, same_range)
    notes = [
        _note(None if sentinel is None else sentinel[t], None if same_range else limits[t], signed)
        for t in range(len(words))
    ]
    head = 0.28 + (0.16 if any(notes) else 0.0)
    tall = PANEL * image.shape[0] / image.shape[1]
    columns, rows = min(len(words) + 1, PER_ROW), -(-(len(words) + 1) // PER_ROW)
    height = MARGIN + rows * (head + tall + GAP) + FOOT
    figure = blank(2 * MARGIN + columns * (PANEL + GAP) - GAP, height)
    for i in range(len(words) + 1):
        left, top = MARGIN + i % PER_ROW * (PANEL + GAP), MARGIN + i // PER_ROW * (head + tall + GAP)
        if i == 0:
            add_picture(figure, image, left, top + head, PANEL)
            continue
        _caption(figure, words[i - 1], notes[i - 1], left + PANEL / 2, top)
        add_picture(figure, overlay(image, maps[i - 1], signed, limits[i - 1]), left, top + head, PANEL)
    if words:
        colour_bar(figure, MARGIN, PANEL, signed, limits[0] if same_range else None, quantity)
    return figure


def _note(sentinel: float | None, limit: float | None, signed: bool) -> str:
    own = [] if limit is None else [span(limit, signed)]
    return "   ".join([*([] if sentinel is None else [f"β {sentinel:.2f}"]), *own])


def _caption(figure: Figure, word: str, note: str, centre: float, top: float) -> None:
    put(figure, word, centre, top, fit(word, WORD, PANEL, "bold"), align="center", weight="bold")
    if note:
        put(figure, note, centre, top + 0.22, NOTE, GREY, align="center")
