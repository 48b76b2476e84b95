"""Text whose width is measured before it is drawn, so that nothing overlaps."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from itertools import groupby

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from whysaid.figures.canvas import DPI, WRONG

POINTS = 72
"""To an inch."""


@lru_cache(4096)
def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Width in inches of one line at a font size in points."""
    width, _, _ = _renderer().get_text_width_height_descent(text, FontProperties(size=size, weight=weight), False)
    return width / DPI


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DPI)


def column_width(names: Iterable[str], size: float) -> float:
    """Inches from one name to the next, so that names side by side, of one line or several, do not touch."""
    return max((width_of(line, size) for name in names for line in name.split("\n")), default=0.0) + _space(size)


def line_height(size: float) -> float:
    """Inches from line to line at a font size in points."""
    return 1.3 * size / POINTS


def fit(text: str, size: float, width: float, weight: str = "normal") -> float:
    """`size`, or the smaller font size in points at which the line is no wider than `width` inches."""
    return size * min(1.0, width / max(width_of(text, size, weight), 1e-6))


def wrap(words: Sequence[str], size: float, width: float) -> list[list[str]]:
    """The words in lines of at most `width` inches; a word wider than that has a line of its own."""
    lines: list[list[str]] = []
    room = 0.0
    for word in words:
        needed = width_of(word, size) + _space(size)
        if not lines or needed > room:
            lines.append([])
            room = width + _space(size)
        lines[-1].append(word)
        room -= needed
    return lines


def put(
    figure: Figure,
    text: str,
    left: float,
    top: float,
    size: float,
    colour: str = "black",
    align: str = "left",
    weight: str = "normal",
) -> None:
    """One line of text, as it stands (a dollar sign is a dollar sign); `left` and `top` in inches from the top left."""
    width, height = figure.get_size_inches()
    baseline = top + size / POINTS
    figure.text(
        left / width,
        1 - baseline / height,
        text,
        fontsize=size,
        color=colour,
        ha=align,
        va="baseline",
        weight=weight,
        parse_math=False,
    )


def put_lines(
    figure: Figure,
    lines: Sequence[Sequence[str]],
    left: float,
    top: float,
    size: float,
    colour: str = "black",
    wrong: Collection[int] = (),
) -> float:
    """Wrapped words, those at the positions `wrong` in bold red; returns where the next line begins, in inches."""
    position = 0
    for line in lines:
        at = left
        for marked, group in groupby(enumerate(line, position), lambda numbered: numbered[0] in wrong):
            run, weight = " ".join(word for _, word in group), "bold" if marked else "normal"
            put(figure, run, at, top, size, WRONG if marked else colour, weight=weight)
            at += width_of(run, size, weight) + _space(size)
        position += len(line)
        top += line_height(size)
    return top


def _space(size: float) -> float:
    return width_of("n n", size) - width_of("nn", size)
