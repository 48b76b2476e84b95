"""Every object of a photo shaded by how much depends on it, beside the photos without each of them.

H, W pixels of a photo.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from whysaid.figures.canvas import GREY, add_picture, picture_size
from whysaid.figures.marks import NEW
from whysaid.figures.object_rows import GAP, MARGIN, NAME, PANEL, SAID, ObjectRow, letter_of, sheet
from whysaid.figures.overlay import overlay
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects, importance_of
from whysaid.figures.text import POINTS, fit, line_height, put, put_lines, wrap

Array = NDArray[np.floating]

QUANTITY = "colour of an object: its importance, 1 − cos of the captions"

LINES = 8
"""Of a caption, at most."""


def importance_sheet(photos: Sequence[PhotoObjects]) -> Figure:
    """Draws a row for each photo (or more, where it has many objects): shaded, then without A, without B …; words that
    the photo's own caption lacks are marked as new. One colour range for all; at least one photo."""
    limit = max((importance_of(part) for photo in photos for part in photo.removed), default=0.0) or 1.0
    return sheet(_Row, photos, limit, QUANTITY, meanings=[NEW])


def shaded(image: Array, parts: Sequence[PhotoObject], limit: float) -> Array:
    """The photo (H, W, 3) in grey, its removed objects in the colour of their importance, with a dark outline: what
    nothing depends on has the outline alone. Where two overlap, the more important one is seen."""
    heat = np.zeros(image.shape[:2])
    outline = np.zeros(image.shape[:2], bool)
    for part in parts:
        heat = np.maximum(heat, part.mask * importance_of(part))
        outline |= find_boundaries(part.mask, mode="inner")
    drawn = overlay(image, heat, limit=limit)
    drawn[outline] *= 0.45
    return drawn


class _Row(ObjectRow):
    @property
    def height(self) -> float:
        lines = max([len(_lines(self.photo.said)), *(len(_lines(part.words)) for part in self.parts)])
        return self.tall + line_height(NAME) + lines * line_height(SAID) + 0.1 + GAP

    def draw(self, figure: Figure, top: float, limit: float) -> None:
        if self.first == 0:
            self._draw_photo(figure, top, limit)
        said = set(self.photo.said)
        for column, part in enumerate(self.parts, 1):
            assert part.picture is not None
            left = MARGIN + column * (PANEL + GAP)
            add_picture(figure, part.picture, left, top, PANEL)
            head = f"{letter_of(self.first + column - 1)}  without {part.name}: {importance_of(part):.2f}"
            self._text(figure, left, top, head, part.words, [word not in said for word in part.words])

    def _draw_photo(self, figure: Figure, top: float, limit: float) -> None:
        removed = self.photo.removed
        axes = add_picture(figure, shaded(self.photo.image, removed, limit), MARGIN, top, PANEL)
        rows, columns = self.photo.image.shape[:2]
        half = NAME / POINTS / picture_size(self.photo.image, PANEL)[0] * columns / 2  # a letter: so it stays inside
        edge = np.minimum(half, (np.array((rows, columns)) - 1) / 2)
        for number, part in enumerate(removed):
            y, x = (float(np.median(places)) for places in np.nonzero(part.mask))
            y, x = np.clip((y, x), edge, np.array((rows, columns)) - 1 - edge)
            letter = axes.text(x, y, letter_of(number), fontsize=NAME, weight="bold", ha="center", va="center")
            letter.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        skipped = len(self.photo.parts) - len(removed)
        head = "the photo" + (f" ({skipped} object{'s' if skipped > 1 else ''} left in)" if skipped else "")
        self._text(figure, MARGIN, top, head, self.photo.said, [False] * len(self.photo.said))

    def _text(
        self, figure: Figure, left: float, top: float, head: str, words: Sequence[str], new: Sequence[bool]
    ) -> None:
        top += self.tall + 0.04
        put(figure, head, left, top, fit(head, NAME, PANEL), GREY)
        marks = {i: NEW.mark for i, added in enumerate(new) if added}
        put_lines(figure, _lines(words), left, top + line_height(NAME), SAID, marks=marks)


def _lines(words: Sequence[str]) -> list[list[str]]:
    return wrap(list(words), SAID, 0.9 * PANEL, LINES)  # bold words are wider
