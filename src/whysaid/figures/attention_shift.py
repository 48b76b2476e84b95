"""Where a captioner looks in a photo, and in the same photo without each of its objects.

h × w cells of an attention map.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture
from whysaid.figures.object_rows import GAP, MARGIN, NAME, PANEL, SAID, ObjectRow, letter_of, sheet
from whysaid.figures.overlay import largest, overlay
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects
from whysaid.figures.text import fit, line_height, put

Array = NDArray[np.floating]

QUANTITY = "attention of all words together, to the image"


def attention_shift(photos: Sequence[PhotoObjects]) -> Figure:
    """Draws a row for each photo (or more, where it has many objects): its attention, then that without A, B …, the
    letters those of `importance_sheet`; and how far it moved. One colour range for all, in which uniform attention has
    no colour; at least one photo, all with maps."""
    maps = [map_of(photo) for photo in photos] + [map_of(part) for photo in photos for part in photo.removed]
    limit = max(largest(attention, uniform(attention)) for attention in maps)
    return sheet(_Row, photos, limit, QUANTITY, uniform(maps[0]))


def uniform(attention: Array) -> float:
    """What each cell has where attention, of sum 1, prefers none."""
    return 1 / attention.size


def map_of(pictured: PhotoObject | PhotoObjects) -> Array:
    """The attention map (h, w) of a photo or of a counterfactual."""
    assert pictured.attention is not None
    return pictured.attention


class _Row(ObjectRow):
    @property
    def height(self) -> float:
        return self.tall + line_height(NAME) + line_height(SAID) + 0.04 + GAP

    def draw(self, figure: Figure, top: float, limit: float) -> None:
        if self.first == 0:
            drawn = self._overlay(self.photo.image, map_of(self.photo), limit)
            self._panel(figure, MARGIN, top, drawn, "the photo", "")
        for column, part in enumerate(self.parts, 1):
            assert part.picture is not None
            head = f"{letter_of(self.first + column - 1)}  without {part.name}"
            drawn = self._overlay(part.picture, map_of(part), limit)
            self._panel(figure, MARGIN + column * (PANEL + GAP), top, drawn, head, moved(part))

    def _overlay(self, picture: Array, attention: Array, limit: float) -> Array:
        return overlay(picture, attention, limit=limit, neutral=uniform(attention))

    def _panel(self, figure: Figure, left: float, top: float, picture: Array, head: str, note: str) -> None:
        add_picture(figure, picture, left, top, PANEL)
        below = top + self.tall + 0.04
        put(figure, head, left, below, fit(head, NAME, PANEL), GREY)
        put(figure, note, left, below + line_height(NAME), fit(note, SAID, PANEL))


def moved(part: PhotoObject) -> str:
    """Writes how far attention moved, of all words together, and of those that stayed."""
    same, together = part.moved
    distances = [f"moved {together:.2f}"] if together is not None else []
    distances += [f"same words {same:.2f}"] if same is not None else []
    return ", ".join(distances) or "nothing is said"
