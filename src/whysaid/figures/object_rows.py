"""A sheet with a row of panels for each photo: the photo, then the photo without each of its objects."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from matplotlib.figure import Figure

from whysaid.figures.canvas import blank, picture_size
from whysaid.figures.colour_bar import FOOT, colour_bar
from whysaid.figures.marks import Meaning, legend_height, marks_legend
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects

PANELS = 6
"""Panels in a row, the photo among them."""

PANEL, GAP, MARGIN = 1.75, 0.12, 0.2
"""Width of a panel, between panels, around the sheet; inches."""

NAME, SAID = 10.0, 8.5
"""Font sizes of an object's name and of a caption, points."""


@dataclass
class ObjectRow(ABC):
    """Some of a photo's objects, the first of them numbered `first`; the photo itself stands where that is 0."""

    photo: PhotoObjects
    parts: list[PhotoObject]
    first: int

    @property
    def tall(self) -> float:
        """Height of a panel, inches."""
        return picture_size(self.photo.image, PANEL)[1]

    @property
    @abstractmethod
    def height(self) -> float:
        """Height of the row and the gap below it, inches."""

    @abstractmethod
    def draw(self, figure: Figure, top: float, limit: float) -> None:
        """Draws the row so many inches below the figure's top, colours reaching to `limit`."""


def sheet(
    kind: type[ObjectRow],
    photos: Sequence[PhotoObjects],
    limit: float,
    quantity: str,
    neutral: float = 0.0,
    meanings: Sequence[Meaning] = (),
) -> Figure:
    """Draws the rows of all photos, with a bar of the colours of `quantity` and what marked words mean."""
    rows = [kind(photo, photo.removed[i : i + PANELS - 1], i) for photo in photos for i in _starts(photo)]
    columns = max(3, *(len(row.parts) + 1 for row in rows))  # the legend needs as much
    heights = [row.height for row in rows]
    width, below = 2 * MARGIN + columns * (PANEL + GAP) - GAP, MARGIN + sum(heights)
    figure = blank(width, below + legend_height(meanings) + FOOT)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        row.draw(figure, top, limit)
        top += height
    marks_legend(figure, meanings, MARGIN, below, width - 2 * MARGIN)
    colour_bar(figure, MARGIN, PANEL, False, limit, quantity, neutral=neutral)
    return figure


def letter_of(number: int) -> str:
    """The letter by which an object is known in all figures of its photo: A, B … Z, 27 …"""
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)


def _starts(photo: PhotoObjects) -> range:
    """Number of the first object of each of the photo's rows."""
    return range(0, max(1, len(photo.removed)), PANELS - 1)
