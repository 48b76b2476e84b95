"""One picture per caption: the photo, then what each word looked at.

T words, h × w cells of a map.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from src.figures.canvas import GREY, add_picture, blank, box
from src.figures.overlay import colours, overlay
from src.figures.text import fit, put

PER_ROW = 6
"""Panels in a row, the photo included."""

PANEL, GAP, MARGIN = 1.9, 0.12, 0.15
"""Width of a panel, between panels, around the picture; inches."""

WORD, NOTE = 13.0, 9.5
"""Font sizes of words and of β, points."""


def word_strip(
    image: NDArray[np.floating],
    words: Sequence[str],
    maps: NDArray[np.floating],
    signed: bool = False,
    sentinel: Sequence[float] | None = None,
    quantity: str = "attention",
) -> Figure:
    """The photo and an overlay for each word, which share one colour range, in rows of at most six.

    Args:
        image: (H, W, 3) in [0, 1].
        words: T of them.
        maps: (T, h, w), ≥ 0 unless `signed`.
        signed: red speaks for the word, blue against it.
        sentinel: β of each word, in [0, 1]: the share of attention that went to language instead of the image.
        quantity: what the maps hold, for the colour bar.
    """
    limit = float(np.abs(maps).max(initial=0)) or 1.0
    head = 0.28 + (0.16 if sentinel is not None else 0.0)
    tall = PANEL * image.shape[0] / image.shape[1]
    columns, rows = min(len(words) + 1, PER_ROW), -(-(len(words) + 1) // PER_ROW)
    height = MARGIN + rows * (head + tall + GAP) + 0.42
    figure = blank(2 * MARGIN + columns * (PANEL + GAP) - GAP, height)
    for i in range(len(words) + 1):
        left, top = MARGIN + i % PER_ROW * (PANEL + GAP), MARGIN + i // PER_ROW * (head + tall + GAP)
        if i == 0:
            add_picture(figure, image, left, top + head, PANEL)
            continue
        _caption(figure, words[i - 1], None if sentinel is None else sentinel[i - 1], left + PANEL / 2, top)
        add_picture(figure, overlay(image, maps[i - 1], signed, limit), left, top + head, PANEL)
    if words:
        _colour_bar(figure, signed, limit, quantity)
    return figure


def _caption(figure: Figure, word: str, sentinel: float | None, centre: float, top: float) -> None:
    put(figure, word, centre, top, fit(word, WORD, PANEL, "bold"), align="center", weight="bold")
    if sentinel is not None:
        put(figure, f"β {sentinel:.2f}", centre, top + 0.22, NOTE, GREY, align="center")


def _colour_bar(figure: Figure, signed: bool, limit: float, quantity: str) -> None:
    """At the foot, as wide as a panel: the range that all words share."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(box(figure, width - MARGIN - PANEL, height - 0.38, PANEL, 0.09))
    mappable = ScalarMappable(Normalize(-limit if signed else 0, limit), colours(signed))
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)  # type: ignore[operator]
    ticks = [-limit, 0, limit] if signed else [0, limit]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}".replace("-", "−") for tick in ticks], fontsize=NOTE, color=GREY)
    axes.tick_params(length=0, pad=2)
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    put(figure, quantity, width - MARGIN - PANEL - 0.1, height - 0.40, NOTE, GREY, align="right")
