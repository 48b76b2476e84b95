"""How much of all that a caption rests on is of one word, and how much of that is image and how much words.

T words. Shares (T, 2) of image and words read, which sum to 1 over a caption; (T, 1) of the image where words do not
compare with it.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY
from whysaid.figures.text import fit, line_height, put, width_of

IMAGE, WORDS, TRACK = "#3f4650", "#a9b1bb", "#eceef0"
"""Colours of the two parts, and of the place of the longest bar: greys, for colours are maps' alone."""

THICK, SMALL = 0.08, 8.5
"""Height of a bar, inches; font size of its text, points."""

OF_IMAGE, OF_WORDS, OF_MEMORY = "the image", "the words that were read", "the memory of the text (β)"
"""Names of parts."""

SWATCH = 0.12
"""Side of a square of the legend, inches."""


def attention_shares(sentinel: Sequence[float]) -> NDArray[np.floating]:
    """The shares (T, 2) of T words in all their attention, parted by β: to the image, and to the memory of the text."""
    beta = np.asarray(sentinel, float)
    return np.stack([1 - beta, beta], 1) / max(1, len(beta))


def share_text(share: Sequence[float]) -> str:
    """A word's share in words: `18 %, of it 63 % image`; the second where words count too."""
    total = float(sum(share))
    of_image = "" if len(share) == 1 or total <= 0 else f", of it {share[0] / total:.0%} image"
    return f"{total:.0%}{of_image}".replace("%", " %")


def share_bar(
    figure: Figure, share: Sequence[float], longest: float, left: float, top: float, width: float, text: bool = True
) -> None:
    """Draws the bar of a word on a track of `width` inches, which the longest bar of the caption fills.

    Args:
        figure: to draw on.
        share: of image, and of words.
        longest: the largest share of any word of the caption, > 0.
        left, top: inches.
        width: inches.
        text: whether the share is written beneath.
    """
    _patch(figure, left, top, width, THICK, TRACK)
    at = left
    for part, colour in zip(share, (IMAGE, WORDS), strict=False):
        long = width * max(0.0, float(part)) / longest
        _patch(figure, at, top, long, THICK, colour)
        at += long
    if text:
        line = share_text(share)
        put(figure, line, left, top + THICK + 0.02, fit(line, SMALL, width), GREY)


def share_legend(
    figure: Figure, line: str, left: float, top: float, width: float, parts: Sequence[str] = (OF_IMAGE, OF_WORDS)
) -> None:
    """Writes what the bars mean, `LEGEND` inches high: a line, and the names of the parts."""
    put(figure, line, left, top, fit(line, SMALL, width), GREY)
    at = left
    for colour, name in zip((IMAGE, WORDS), parts, strict=False):
        _patch(figure, at, top + line_height(SMALL) + 0.01, SWATCH, SWATCH, colour)
        put(figure, name, at + SWATCH + 0.05, top + line_height(SMALL), SMALL, GREY)
        at += SWATCH + 0.2 + width_of(name, SMALL)


LEGEND = 2 * line_height(SMALL) + 0.06
"""Height of the legend, inches."""


def _patch(figure: Figure, left: float, top: float, width: float, height: float, colour: str) -> None:
    across, down = figure.get_size_inches()
    corner = left / across, 1 - (top + height) / down
    figure.add_artist(
        Rectangle(corner, width / across, height / down, facecolor=colour, linewidth=0, transform=figure.transFigure)
    )
