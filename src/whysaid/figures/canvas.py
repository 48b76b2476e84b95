"""Figures without a display or global state, measured in inches from the top left corner."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

DPI = 120
"""Pixels to an inch: 10 inches are 1200 pixels."""

GREY = "#6b6b6b"
WRONG = "#c62828"


def blank(width: float, height: float) -> Figure:
    """A white figure, in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_picture(figure: Figure, picture: NDArray[np.floating], left: float, top: float, width: float) -> Axes:
    """A picture (H, W, 3) in [0, 1], `width` inches wide, its top left corner at (left, top) inches."""
    height = width * picture.shape[0] / picture.shape[1]
    axes = figure.add_axes(box(figure, left, top, width, height))
    axes.imshow(picture, interpolation="bilinear", aspect="auto")
    axes.set_axis_off()
    return axes


def box(figure: Figure, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches from the top left → matplotlib's (left, bottom, width, height) as shares of the figure."""
    whole_width, whole_height = figure.get_size_inches()
    return left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height


def to_array(figure: Figure) -> NDArray[np.uint8]:
    """The figure's pixels, (H, W, 3) uint8."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, path: Path | str) -> None:
    """A PNG, written under another name and renamed: whole or not there at all. Makes the folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    Image.fromarray(to_array(figure)).save(partial, "PNG")
    partial.replace(path)
