"""A grid of photos, each with what the model said, what people said, and the score."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture, blank
from whysaid.figures.text import line_height, put, put_lines, wrap

COLUMNS = 4
"""Photos in a row."""

CELL, GAP, MARGIN = 2.85, 0.25, 0.2
"""Width of a photo, between photos, around the sheet; inches."""

SAID, QUOTED = 11.0, 8.5
"""Font sizes of the caption and of the references, points."""


@dataclass(frozen=True)
class Captioned:
    """One photo of a sheet.

    image: (H, W, 3) in [0, 1]. caption: the model's. references: people's. wrong: positions of the caption's words that
    name what the photo does not show. score: shown beneath the photo, such as "CIDEr 1.21".
    """

    image: NDArray[np.floating]
    caption: str
    references: Sequence[str] = ()
    wrong: Collection[int] = ()
    score: str = ""


class _Tile(NamedTuple):
    """A photo with its text already in lines, and the height of it all in inches."""

    item: Captioned
    caption: list[list[str]]
    references: list[list[str]]
    height: float


def caption_sheet(items: Sequence[Captioned]) -> Figure:
    """Four photos to a row; captions in black, wrong words in bold red, references in grey. At least one item."""
    cells = [_lay_out(item) for item in items]
    rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    columns = min(COLUMNS, len(items))
    width = 2 * MARGIN + columns * (CELL + GAP) - GAP
    figure = blank(width, 2 * MARGIN + sum(heights) + GAP * (len(rows) - 1))
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            _draw(figure, cell, MARGIN + column * (CELL + GAP), top)
        top += height + GAP
    return figure


def _lay_out(item: Captioned) -> _Tile:
    caption = wrap(item.caption.split(), SAID, 0.95 * CELL)  # bold words are wider
    references = [line for text in item.references for line in wrap(["·", *text.split()], QUOTED, CELL)]
    tall = CELL * item.image.shape[0] / item.image.shape[1]
    text = len(caption) * line_height(SAID) + len(references) * line_height(QUOTED)
    score = line_height(QUOTED) if item.score else 0.0
    return _Tile(item, caption, references, tall + 0.14 + text + score)


def _draw(figure: Figure, cell: _Tile, left: float, top: float) -> None:
    item = cell.item
    add_picture(figure, item.image, left, top, CELL)
    top += CELL * item.image.shape[0] / item.image.shape[1] + 0.06
    top = put_lines(figure, cell.caption, left, top, SAID, wrong=item.wrong) + 0.02
    if item.score:
        put(figure, item.score, left, top, QUOTED, "#1565c0")
        top += line_height(QUOTED)
    put_lines(figure, cell.references, left, top, QUOTED, GREY)
