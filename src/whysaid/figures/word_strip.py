"""One picture per caption: the photo, then what each word looked at.

T words, h × w cells of a map.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture, blank, picture_size
from whysaid.figures.colour_bar import FOOT, RELEVANCE, colour_bar, kind_of, ranges, span
from whysaid.figures.marks import Meaning, legend_height, marks_legend
from whysaid.figures.overlay import overlay
from whysaid.figures.share_bar import LEGEND, OF_IMAGE, OF_MEMORY, OF_WORDS, SMALL, THICK, share_bar, share_legend
from whysaid.figures.text import fit, line_height, put, put_lines, put_marked, width_of, wrap

PER_ROW = 6
"""Panels in a row, the photo included."""

PANEL, GAP, MARGIN = 1.9, 0.12, 0.15
"""Width of a panel, between panels, around the picture; inches."""

WORD, NOTE, TITLE = 13.0, 9.5, 12.5
"""Font sizes of words, of the notes beneath them and of the title, points."""

LINES = 4
"""Of the caption, at most."""


def word_strip(
    image: NDArray[np.floating],
    words: Sequence[str],
    maps: NDArray[np.floating],
    signed: bool = False,
    sentinel: Sequence[float] | None = None,
    quantity: str = "attention",
    same_range: bool = True,
    title: str = "",
    caption: Sequence[str] = (),
    marks: Mapping[int, Meaning] | None = None,
    uniform: float | None = None,
    shares: NDArray[np.floating] | None = None,
) -> Figure:
    """Draws the photo and an overlay for each word, in rows of at most six.

    Args:
        image: (H, W, 3) in [0, 1].
        words: T of them.
        maps: (T, h, w), ≥ 0 unless `signed`.
        signed: red speaks for the word, blue against it.
        sentinel: β of each word, in [0, 1]: the share of attention that went to language instead of the image.
        quantity: what the maps hold, for the colour bar.
        same_range: one colour range for all words, so that they compare; or each word has its own, written above its
            overlay.
        title: stands above all, and the words of the caption beneath it; both may be empty.
        caption: what was said, of which `words` may be the beginning.
        marks: position of a word → what there is to say of it; None where nobody knows.
        uniform: the value of maps of attention that is neutral.
        shares: (T, 2) or (T, 1), as `share_bar` takes them, for a bar beneath each word.
    """
    marks, neutral = marks or {}, uniform or 0.0
    limits = ranges(maps, same_range, neutral)
    notes = [
        _note(None if sentinel is None else sentinel[t], None if same_range else span(limits[t], signed, neutral))
        for t in range(len(words))
    ]
    columns, rows = min(len(words) + 1, PER_ROW), -(-(len(words) + 1) // PER_ROW)
    width = 2 * MARGIN + columns * (PANEL + GAP) - GAP
    heading = wrap([*caption], NOTE, 0.95 * (width - 2 * MARGIN), LINES)
    above = (0.27 if title else 0.0) + len(heading) * line_height(NOTE) + (0.06 if title or heading else 0.0)
    head = 0.28 + (0.16 if any(notes) else 0.0)
    bar = 0.0 if shares is None else 0.03 + THICK + line_height(SMALL)
    _, tall = picture_size(image, PANEL)
    step = head + tall + bar + GAP
    meanings = list(dict.fromkeys(marks.values()))
    below = MARGIN + above + rows * step
    legend = 0.0 if shares is None or not words else LEGEND
    figure = blank(width, below + legend + legend_height(meanings) + FOOT)
    if title:
        put(figure, title, MARGIN, MARGIN, fit(title, TITLE, width - 2 * MARGIN, "bold"), weight="bold")
    known = {place: meaning.mark for place, meaning in marks.items()}
    put_lines(figure, heading, MARGIN, MARGIN + (0.27 if title else 0.0), NOTE, marks=known)
    for i in range(len(words) + 1):
        left, top = MARGIN + i % PER_ROW * (PANEL + GAP), MARGIN + above + i // PER_ROW * step
        if i == 0:
            add_picture(figure, image, left, top + head, PANEL)
            continue
        _caption(figure, words[i - 1], notes[i - 1], left + PANEL / 2, top, marks.get(i - 1))
        add_picture(figure, overlay(image, maps[i - 1], signed, limits[i - 1], neutral), left, top + head, PANEL)
        if shares is not None:
            longest = float(shares.sum(1).max()) or 1.0
            place = left, top + head + tall + 0.03
            share_bar(figure, shares[i - 1], longest, *place, PANEL, text=not neutral)
    if shares is not None and words:
        line, parts = _bars_mean(quantity, neutral, shares.shape[1])
        share_legend(figure, line, MARGIN, below, width - 2 * MARGIN, parts)
    marks_legend(figure, meanings, MARGIN, below + legend, width - 2 * MARGIN)
    if words:
        limit = limits[0] if same_range else None
        colour_bar(figure, MARGIN, PANEL, signed, limit, _of_image(quantity, signed, neutral), neutral=neutral)
    return figure


def _bars_mean(quantity: str, neutral: float, parts: int) -> tuple[str, Sequence[str]]:
    """The line of the legend of bars and the names of their parts."""
    if neutral:
        return "bar: the attention of the word, to", (OF_IMAGE, OF_MEMORY)
    line = f"bar: the word's share of all {quantity} of these words"
    return (line, ()) if parts == 1 else (f"{line} (Σ|{quantity}|), of", (OF_IMAGE, OF_WORDS))


def _of_image(quantity: str, signed: bool, neutral: float) -> str:
    """What the colour bar is of: of numbers without a sign or a neutral value, the magnitude."""
    kind = kind_of(signed, neutral)
    if neutral:
        return f"{quantity} to the image"
    return f"{quantity} of the image" if kind == RELEVANCE else f"{quantity} of the image, {kind}"


def _note(sentinel: float | None, own: str | None) -> str:
    return "   ".join([*([] if sentinel is None else [f"β {sentinel:.2f}"]), *([] if own is None else [own])])


def _caption(figure: Figure, word: str, note: str, centre: float, top: float, meaning: Meaning | None) -> None:
    size = fit(word, WORD, PANEL, "bold")
    if meaning is None:
        put(figure, word, centre, top, size, align="center", weight="bold")
    else:
        put_marked(figure, word, centre - width_of(word, size, "bold") / 2, top, size, meaning.mark)
    if note:
        put(figure, note, centre, top + 0.22, fit(note, NOTE, PANEL), GREY, align="center")
