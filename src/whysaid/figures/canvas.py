"""Figures without a display or global state, measured in inches from the top left corner."""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from whysaid.data.files.whole import replaced

DPI = 120
"""Pixels to an inch: 10 inches are 1200 pixels."""

LONGEST = 30_000
"""Pixels of a figure's side at most, half of what the renderer can."""

LARGEST = 30e6
"""Pixels of a figure at most; a larger one has fewer to an inch."""

COLOURS = 256
"""Of a stored figure."""

HEAVIEST, SMALLER, COARSEST = 300_000, 0.85, 72
"""Bytes of a stored figure above which it is drawn with so many times the pixels to an inch, and fewest of these: what
stands on a page or in a log loads at once."""

COARSE = 3.0
"""Pixels of a figure to a pixel of a picture from which on the picture's own pixels are seen: drawn pictures."""

TALLEST = 2.0
"""Height of a picture's place at most, in its widths; a photo of a telephone held upright takes 1.8."""

GREY = "#6b6b6b"


def blank(width: float, height: float) -> Figure:
    """Makes a white figure, in inches, of at most `LARGEST` pixels."""
    dpi = min(DPI, float(np.sqrt(LARGEST / (width * height))), LONGEST / max(width, height))
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def picture_size(picture: NDArray[np.floating], width: float) -> tuple[float, float]:
    """Width and height in inches of a picture (H, W, …) in a place `width` inches wide: as wide as that, or narrower
    where it would be higher than `TALLEST` times that; never less than a pixel."""
    rows, columns = picture.shape[:2]
    shown = min(width, TALLEST * width * columns / rows)
    return max(shown, 1 / DPI), max(shown * rows / columns, 1 / DPI)


def add_picture(figure: Figure, picture: NDArray[np.floating], left: float, top: float, width: float) -> Axes:
    """Adds a picture (H, W, 3) in [0, 1] of `picture_size` in the middle of a place `width` inches wide, whose top left
    corner is at (left, top) inches."""
    shown, height = picture_size(picture, width)
    axes = figure.add_axes(box(figure, left + (width - shown) / 2, top, shown, height))
    coarse = shown * figure.dpi / picture.shape[1] >= COARSE
    axes.imshow(picture, interpolation="nearest" if coarse else "bilinear", aspect="auto")
    axes.set_axis_off()
    return axes


def box(figure: Figure, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Turns inches from the top left into matplotlib's (left, bottom, width, height) as shares of the figure."""
    whole_width, whole_height = figure.get_size_inches()
    return left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height


def to_array(figure: Figure) -> NDArray[np.uint8]:
    """The figure's pixels, (H, W, 3) uint8."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, path: Path | str) -> None:
    """Writes a PNG of at most `COLOURS` colours, and makes its folder: a fifth of the size, and no less to be seen.

    A figure of more than `HEAVIEST` bytes is drawn smaller, as far as its words can still be read.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    own, stored = figure.dpi, _png(figure)
    while len(stored) > HEAVIEST and figure.dpi * SMALLER >= COARSEST:
        figure.set_dpi(figure.dpi * SMALLER)
        stored = _png(figure)
    figure.set_dpi(own)
    with replaced(path) as partial:
        partial.write_bytes(stored)


def _png(figure: Figure) -> bytes:
    stored = BytesIO()
    with_few_colours(to_array(figure)).save(stored, "PNG", optimize=True)
    return stored.getvalue()


def with_few_colours(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture (H, W, 3) in `COLOURS` colours: white, many that are frequent, so that greys stay grey, and many that
    cover its rare ones, such as those of a colour bar."""
    some = Image.fromarray(np.ascontiguousarray(pixels[::3, ::3]))
    few = COLOURS // 4
    frequent = some.quantize(few, Image.Quantize.MEDIANCUT).getpalette() or []
    covering = some.quantize(COLOURS - few - 1, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *covering[: 3 * (COLOURS - few - 1)], *frequent[: 3 * few]])
    stored = Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
    stored.paste(0, mask=Image.fromarray((pixels == 255).all(-1)))  # Pillow may take a colour near white for it
    return stored
