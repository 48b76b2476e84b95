"""A grid of photos, each with what the model said, what people said, and the score."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.canvas import GREY, add_picture, blank, picture_size
from whysaid.figures.marks import HALLUCINATED, MISCOLOURED, Meaning, legend_height, marks_legend
from whysaid.figures.text import line_height, put, put_lines, wrap

COLUMNS = 4
"""Photos in a row."""

CELL, GAP, MARGIN = 2.85, 0.25, 0.2
"""Width of a photo, between photos, around the sheet; inches."""

LINES, REFERENCES = 6, 10
"""Lines of a caption, and references below it, at most."""

SAID, QUOTED = 11.0, 8.5
"""Font sizes of the caption and of the references, points."""


@dataclass(frozen=True)
class Captioned:
    """One photo of a sheet.

    image: (H, W, 3) in [0, 1]. caption: the model's. references: people's. wrong: positions of the caption's words that
    name what the photo does not show. miscoloured: positions of colours that what they are said of does not have.
    score: shown beneath the photo, such as "CIDEr 1.21".
    """

    image: NDArray[np.floating]
    caption: str
    references: Sequence[str] = ()
    wrong: Collection[int] = ()
    score: str = ""
    miscoloured: Collection[int] = ()


class _Tile(NamedTuple):
    """A photo with its text already in lines, and the height of it all in inches."""

    item: Captioned
    caption: list[list[str]]
    references: list[list[str]]
    height: float


def caption_sheet(items: Sequence[Captioned], wrong: Meaning = HALLUCINATED) -> Figure:
    """Draws four photos to a row; captions in black with their wrong words marked, references in grey.

    Args:
        items: at least one.
        wrong: how wrong words are marked, and what the legend says of them.
    """
    meanings = [wrong] if any(item.wrong for item in items) else []
    meanings += [MISCOLOURED] if any(item.miscoloured for item in items) else []
    cells = [_lay_out(item) for item in items]
    rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    columns = min(COLUMNS, len(items))
    width = 2 * MARGIN + columns * (CELL + GAP) - GAP
    below = 2 * MARGIN + sum(heights) + GAP * (len(rows) - 1)
    figure = blank(width, below + legend_height(meanings))
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            _draw(figure, cell, MARGIN + column * (CELL + GAP), top, wrong)
        top += height + GAP
    marks_legend(figure, meanings, MARGIN, below - MARGIN / 2, width - 2 * MARGIN)
    return figure


def _lay_out(item: Captioned) -> _Tile:
    caption = wrap(item.caption.split(), SAID, 0.95 * CELL, LINES)  # bold words are wider
    quoted = item.references[:REFERENCES]
    references = [line for text in quoted for line in wrap(["·", *text.split()], QUOTED, CELL, LINES)]
    _, tall = picture_size(item.image, CELL)
    text = len(caption) * line_height(SAID) + len(references) * line_height(QUOTED)
    score = line_height(QUOTED) if item.score else 0.0
    return _Tile(item, caption, references, tall + 0.14 + text + score)


def _draw(figure: Figure, cell: _Tile, left: float, top: float, wrong: Meaning) -> None:
    item = cell.item
    add_picture(figure, item.image, left, top, CELL)
    top += picture_size(item.image, CELL)[1] + 0.06
    marks = dict.fromkeys(item.miscoloured, MISCOLOURED.mark) | dict.fromkeys(item.wrong, wrong.mark)
    top = put_lines(figure, cell.caption, left, top, SAID, marks=marks) + 0.02
    if item.score:
        put(figure, item.score, left, top, QUOTED, "#222222")
        top += line_height(QUOTED)
    put_lines(figure, cell.references, left, top, QUOTED, GREY)
