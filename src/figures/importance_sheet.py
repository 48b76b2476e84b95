"""Every object of a photo shaded by how much depends on it, beside the photos without each of them.

H, W pixels of a photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from src.figures.canvas import GREY, add_picture, blank
from src.figures.colour_bar import FOOT, colour_bar
from src.figures.overlay import overlay
from src.figures.text import POINTS, fit, line_height, put, put_lines, wrap

Array = NDArray[np.floating]

PANELS = 6
"""Panels in a row, the photo among them."""

PANEL, GAP, MARGIN = 1.75, 0.12, 0.2
"""Width of a panel, between panels, around the sheet; inches."""

NAME, SAID = 10.0, 8.5
"""Font sizes of an object's name and of a caption, points."""

QUANTITY = "importance: 1 − cos of the captions"


@dataclass(frozen=True)
class Part:
    """One object of a photo, and what happened without it.

    name: of its category. mask: (H, W) bool. importance: ≥ 0, or None where it was left in. skipped: why it was.
    picture: (H, W, 3) in [0, 1] without it. words: what is then said. drop: log-probability that the photo's own
    caption lost, nats. attention: (h, w) ≥ 0 where these words look together, or None. moved: how far attention moved,
    in [0, 1], of the words that stayed and of all together, or None each.
    """

    name: str
    mask: NDArray[np.bool_]
    importance: float | None = None
    skipped: str = ""
    picture: Array | None = None
    words: Sequence[str] = ()
    drop: float = 0.0
    attention: Array | None = None
    moved: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Parted:
    """A photo (H, W, 3) in [0, 1], the words said of it, its objects, and (h, w) ≥ 0 where the words look together."""

    image: Array
    said: Sequence[str]
    parts: Sequence[Part]
    attention: Array | None = None

    @property
    def removed(self) -> list[Part]:
        """The objects that were taken out, the most important first."""
        return sorted((part for part in self.parts if part.importance is not None), key=_importance, reverse=True)

    @property
    def ordered(self) -> list[Part]:
        """All objects, those that were taken out first."""
        return [*self.removed, *(part for part in self.parts if part.importance is None)]


def importance_sheet(photos: Sequence[Parted]) -> Figure:
    """A row for each photo (or more, where it has many objects): shaded, then without A, without B …; words that the
    photo's own caption lacks are red. One colour range for all; at least one photo."""
    limit = max((_importance(part) for photo in photos for part in photo.removed), default=0.0) or 1.0
    rows = [_Row(photo, photo.removed[i : i + PANELS - 1], i) for photo in photos for i in starts(photo)]
    heights = [row.height for row in rows]
    columns = max(3, *(len(row.parts) + 1 for row in rows))  # the legend needs as much
    height = MARGIN + sum(heights) + GAP * len(rows) + FOOT
    figure = blank(2 * MARGIN + columns * (PANEL + GAP) - GAP, height)
    top = MARGIN
    for row, tall in zip(rows, heights, strict=True):
        row.draw(figure, top, limit)
        top += tall + GAP
    colour_bar(figure, MARGIN, PANEL, False, limit, QUANTITY)
    return figure


def shaded(image: Array, parts: Sequence[Part], limit: float) -> Array:
    """The photo (H, W, 3) in grey, its removed objects in the colour of their importance, with a dark outline: what
    nothing depends on has the outline alone. Where two overlap, the more important one is seen."""
    heat = np.zeros(image.shape[:2])
    outline = np.zeros(image.shape[:2], bool)
    for part in parts:
        heat = np.maximum(heat, part.mask * _importance(part))
        outline |= find_boundaries(part.mask, mode="inner")
    drawn = overlay(image, heat, limit=limit)
    drawn[outline] *= 0.45
    return drawn


@dataclass
class _Row:
    """Some of a photo's objects, the first of them numbered `first`; the photo itself stands where that is 0."""

    photo: Parted
    parts: list[Part]
    first: int

    @property
    def height(self) -> float:
        lines = max([len(_lines(self.photo.said)), *(len(_lines(part.words)) for part in self.parts)])
        return self._tall + line_height(NAME) + lines * line_height(SAID) + 0.1

    @property
    def _tall(self) -> float:
        return PANEL * self.photo.image.shape[0] / self.photo.image.shape[1]

    def draw(self, figure: Figure, top: float, limit: float) -> None:
        if self.first == 0:
            self._draw_photo(figure, top, limit)
        said = set(self.photo.said)
        for column, part in enumerate(self.parts, 1):
            assert part.picture is not None
            left = MARGIN + column * (PANEL + GAP)
            add_picture(figure, part.picture, left, top, PANEL)
            head = f"{letter_of(self.first + column - 1)}  without {part.name}: {_importance(part):.2f}"
            self._text(figure, left, top, head, part.words, [word not in said for word in part.words])

    def _draw_photo(self, figure: Figure, top: float, limit: float) -> None:
        removed = self.photo.removed
        axes = add_picture(figure, shaded(self.photo.image, removed, limit), MARGIN, top, PANEL)
        edge = NAME / POINTS / PANEL * self.photo.image.shape[1] / 2  # half a letter, so that it stays inside
        for number, part in enumerate(removed):
            y, x = (float(np.median(places)) for places in np.nonzero(part.mask))
            y, x = np.clip((y, x), edge, np.array(part.mask.shape) - 1 - edge)
            letter = axes.text(x, y, letter_of(number), fontsize=NAME, weight="bold", ha="center", va="center")
            letter.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        skipped = len(self.photo.parts) - len(removed)
        head = "the photo" + (f" ({skipped} object{'s' if skipped > 1 else ''} left in)" if skipped else "")
        self._text(figure, MARGIN, top, head, self.photo.said, [False] * len(self.photo.said))

    def _text(
        self, figure: Figure, left: float, top: float, head: str, words: Sequence[str], new: Sequence[bool]
    ) -> None:
        top += self._tall + 0.04
        put(figure, head, left, top, fit(head, NAME, PANEL), GREY)
        wrong = [i for i, one in enumerate(new) if one]
        put_lines(figure, _lines(words), left, top + line_height(NAME), SAID, wrong=wrong)


def _importance(part: Part) -> float:
    return part.importance or 0.0


def letter_of(number: int) -> str:
    """By which an object is known in all figures of its photo: A, B … Z, 27 …"""
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)


def _lines(words: Sequence[str]) -> list[list[str]]:
    return wrap(list(words), SAID, 0.9 * PANEL)  # bold words are wider


def starts(photo: Parted) -> range:
    """Number of the first object of each of the photo's rows."""
    return range(0, max(1, len(photo.removed)), PANELS - 1)
