"""What a reader must know of a diagram, in sentences beneath it."""

from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY
from whysaid.figures.text import line_height, put_lines, wrap

SMALL, SIDE = 8.5, 0.15
"""Font size, points; inches free at both sides."""


def note_height(note: str, width: float) -> float:
    """Inches that a note takes beneath a figure that is `width` inches wide; 0 where there is none."""
    return len(_lines(note, width)) * line_height(SMALL) + (0.12 if note else 0.0)


def foot_note(figure: Figure, note: str, top: float | None = None) -> None:
    """Writes a note into the last `note_height` inches of a figure, or into as many below `top` inches."""
    width, height = figure.get_size_inches()
    if top is None:
        top = height - note_height(note, width)
    put_lines(figure, _lines(note, width), SIDE, top + 0.02, SMALL, GREY)


def _lines(note: str, width: float) -> list[list[str]]:
    return wrap(note.split(), SMALL, width - 2 * SIDE) if note else []
