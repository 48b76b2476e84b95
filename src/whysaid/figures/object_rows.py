"""A sheet with a row of panels for each photo: the photo, then the photo without each of its objects."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from matplotlib.figure import Figure

from whysaid.figures.canvas import blank
from whysaid.figures.colour_bar import FOOT, colour_bar
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
        return PANEL * self.photo.image.shape[0] / self.photo.image.shape[1]

    @property
    @abstractmethod
    def height(self) -> float:
        """Of the row and the gap below it, inches."""

    @abstractmethod
    def draw(self, figure: Figure, top: float, limit: float) -> None:
        """Draws it so many inches below the figure's top, colours reaching to `limit`."""


def sheet(kind: type[ObjectRow], photos: Sequence[PhotoObjects], limit: float, quantity: str) -> Figure:
    """The rows of all photos, with a bar of the colours of `quantity`."""
    rows = [kind(photo, photo.removed[i : i + PANELS - 1], i) for photo in photos for i in _starts(photo)]
    columns = max(3, *(len(row.parts) + 1 for row in rows))  # the legend needs as much
    heights = [row.height for row in rows]
    figure = blank(2 * MARGIN + columns * (PANEL + GAP) - GAP, MARGIN + sum(heights) + FOOT)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        row.draw(figure, top, limit)
        top += height
    colour_bar(figure, MARGIN, PANEL, False, limit, quantity)
    return figure


def letter_of(number: int) -> str:
    """By which an object is known in all figures of its photo: A, B … Z, 27 …"""
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)


def _starts(photo: PhotoObjects) -> range:
    """Number of the first object of each of the photo's rows."""
    return range(0, max(1, len(photo.removed)), PANELS - 1)
