"""A row for each picture: what was given, its hole, the coarse and the refined result, and the truth.

H, W pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture, blank, picture_size
from whysaid.figures.text import line_height, put

HEADINGS = ("input", "hole", "coarse", "completed", "truth")

CELL, GAP, MARGIN = 1.9, 0.12, 0.2
"""Width of a picture, between pictures, around the sheet; inches."""

HEADING = 12.0
"""Font size, points."""

HOLE = 0.5
"""Grey of the pixels that are not known, in [0, 1]."""


class Sample(NamedTuple):
    """One picture: truth, coarse, completed (H, W, 3) in [0, 1], hole (H, W) in {0, 1}."""

    truth: NDArray[np.floating]
    hole: NDArray[np.floating]
    coarse: NDArray[np.floating]
    completed: NDArray[np.floating]


def inpainting_sheet(samples: Sequence[Sample]) -> Figure:
    """Draws five pictures to a row under their headings; at least one sample, all of one size."""
    _, tall = picture_size(samples[0].truth, CELL)
    top = MARGIN + line_height(HEADING) + 0.04
    width = 2 * MARGIN + len(HEADINGS) * (CELL + GAP) - GAP
    figure = blank(width, top + len(samples) * (tall + GAP) - GAP + MARGIN)
    for column, heading in enumerate(HEADINGS):
        put(figure, heading, _left(column) + CELL / 2, MARGIN, HEADING, GREY, align="center")
    for row, sample in enumerate(samples):
        for column, picture in enumerate(_pictures(sample)):
            add_picture(figure, picture, _left(column), top + row * (tall + GAP), CELL)
    return figure


def _left(column: int) -> float:
    return MARGIN + column * (CELL + GAP)


def _pictures(sample: Sample) -> list[NDArray[np.floating]]:
    hole = sample.hole[..., None]
    holed = sample.truth * (1 - hole) + HOLE * hole
    return [holed, np.broadcast_to(hole, holed.shape), sample.coarse, sample.completed, sample.truth]
