"""Where a captioner looks in a photo, and in the same photo without each of its objects.

h × w cells of an attention map.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture
from whysaid.figures.object_rows import GAP, MARGIN, NAME, PANEL, SAID, ObjectRow, letter_of, sheet
from whysaid.figures.overlay import overlay
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects
from whysaid.figures.text import fit, line_height, put

Array = NDArray[np.floating]

QUANTITY = "attention of all words together"


def attention_shift(photos: Sequence[PhotoObjects]) -> Figure:
    """A row for each photo (or more, where it has many objects): its attention, then that without A, B …, the letters
    those of `importance_sheet`; and how far it moved. One colour range for all; at least one photo, all with maps."""
    maps = [map_of(photo) for photo in photos] + [map_of(part) for photo in photos for part in photo.removed]
    limit = max(float(one.max()) for one in maps) or 1.0
    return sheet(_Row, photos, limit, QUANTITY)


def map_of(one: PhotoObject | PhotoObjects) -> Array:
    """(h, w), of a photo or of a counterfactual."""
    assert one.attention is not None
    return one.attention


class _Row(ObjectRow):
    @property
    def height(self) -> float:
        return self.tall + line_height(NAME) + line_height(SAID) + 0.04 + GAP

    def draw(self, figure: Figure, top: float, limit: float) -> None:
        if self.first == 0:
            drawn = overlay(self.photo.image, map_of(self.photo), limit=limit)
            self._panel(figure, MARGIN, top, drawn, "the photo", "")
        for column, part in enumerate(self.parts, 1):
            assert part.picture is not None
            head = f"{letter_of(self.first + column - 1)}  without {part.name}"
            drawn = overlay(part.picture, map_of(part), limit=limit)
            self._panel(figure, MARGIN + column * (PANEL + GAP), top, drawn, head, moved(part))

    def _panel(self, figure: Figure, left: float, top: float, picture: Array, head: str, note: str) -> None:
        add_picture(figure, picture, left, top, PANEL)
        below = top + self.tall + 0.04
        put(figure, head, left, below, fit(head, NAME, PANEL), GREY)
        put(figure, note, left, below + line_height(NAME), fit(note, SAID, PANEL))


def moved(part: PhotoObject) -> str:
    """How far attention moved, as text: of all words together, and of those that stayed."""
    same, together = part.moved
    told = [f"moved {together:.2f}"] if together is not None else []
    told += [f"same words {same:.2f}"] if same is not None else []
    return ", ".join(told) or "nothing is said"
