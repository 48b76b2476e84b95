"""Where a captioner looks in a photo, and in the same photo without each of its objects.

h × w cells of an attention map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from src.figures.canvas import GREY, add_picture, blank
from src.figures.colour_bar import FOOT, colour_bar
from src.figures.importance_sheet import GAP, MARGIN, NAME, PANEL, PANELS, SAID, Part, Parted, letter_of, starts
from src.figures.overlay import overlay
from src.figures.text import fit, line_height, put

Array = NDArray[np.floating]

QUANTITY = "attention of all words together"


def attention_shift(photos: Sequence[Parted]) -> Figure:
    """A row for each photo (or more, where it has many objects): its attention, then that without A, B …, the letters
    those of `importance_sheet`; and how far it moved. One colour range for all; at least one photo, all with maps."""
    rows = [_Row(photo, photo.removed[i : i + PANELS - 1], i) for photo in photos for i in starts(photo)]
    maps = [map_of(photo) for photo in photos] + [map_of(part) for photo in photos for part in photo.removed]
    limit = max(float(one.max()) for one in maps) or 1.0
    columns = max(3, *(len(row.parts) + 1 for row in rows))
    height = MARGIN + sum(row.height for row in rows) + FOOT
    figure = blank(2 * MARGIN + columns * (PANEL + GAP) - GAP, height)
    top = MARGIN
    for row in rows:
        row.draw(figure, top, limit)
        top += row.height
    colour_bar(figure, MARGIN, PANEL, False, limit, QUANTITY)
    return figure


def map_of(one: Part | Parted) -> Array:
    """(h, w), of a photo or of a counterfactual."""
    assert one.attention is not None
    return one.attention


@dataclass
class _Row:
    """Some of a photo's objects, the first of them numbered `first`; the photo itself stands where that is 0."""

    photo: Parted
    parts: list[Part]
    first: int

    @property
    def height(self) -> float:
        return self._tall + line_height(NAME) + line_height(SAID) + 0.04 + GAP

    @property
    def _tall(self) -> float:
        return PANEL * self.photo.image.shape[0] / self.photo.image.shape[1]

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
        below = top + self._tall + 0.04
        put(figure, head, left, below, fit(head, NAME, PANEL), GREY)
        put(figure, note, left, below + line_height(NAME), fit(note, SAID, PANEL))


def moved(part: Part) -> str:
    """How far attention moved, as text: of all words together, and of those that stayed."""
    same, together = part.moved
    told = [f"moved {together:.2f}"] if together is not None else []
    told += [f"same words {same:.2f}"] if same is not None else []
    return ", ".join(told) or "nothing is said"
