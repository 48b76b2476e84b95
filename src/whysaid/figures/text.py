"""Text whose width is measured before it is drawn, so that nothing overlaps."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Literal, NamedTuple

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from whysaid.figures.canvas import DPI
from whysaid.figures.fonts import families

POINTS = 72
"""To an inch."""

LONGEST = 500
"""Letters of a word that are measured at most."""


class Mark(NamedTuple):
    """How a marked word is set: bold, in a colour, above a line of one of matplotlib's styles."""

    colour: str
    line: Literal["-", "--", ":"]


@lru_cache(4096)
def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Width in inches of one line at a font size in points."""
    font = FontProperties(family=families(text), size=size, weight=weight)
    width, _, _ = _renderer().get_text_width_height_descent(text, font, False)
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


def shortened(word: str, size: float, width: float) -> str:
    """The word, or as much of its beginning as fits into `width` inches with an ellipsis behind it."""
    if len(word) <= LONGEST and width_of(word, size) <= width:
        return word
    kept = bisect_right(
        range(1, min(len(word), LONGEST)), width, key=lambda length: width_of(f"{word[:length]}…", size)
    )
    return f"{word[:kept]}…"


def wrap(words: Sequence[str], size: float, width: float, most: int | None = None) -> list[list[str]]:
    """The words in lines of at most `width` inches; a word wider than that is shortened, on a line of its own.

    Args:
        words: in their order.
        size: font size, points.
        width: inches.
        most: lines at most, the last of which then ends in an ellipsis; None takes as many as there are.
    """
    lines: list[list[str]] = []
    room = 0.0
    for word in (shortened(word, size, width) for word in words):
        needed = width_of(word, size) + _space(size)
        if not lines or needed > room:
            if len(lines) == most:
                lines[-1][-1] = "…"
                break
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
    """Writes one line of text, as it stands (a dollar sign is a dollar sign); `left` and `top` in inches from the top
    left."""
    width, height = figure.get_size_inches()
    baseline = top + size / POINTS
    figure.text(
        left / width,
        1 - baseline / height,
        text,
        family=families(text),
        fontsize=size,
        color=colour,
        ha=align,
        va="baseline",
        weight=weight,
        parse_math=False,
    )


def put_marked(figure: Figure, text: str, left: float, top: float, size: float, mark: Mark) -> None:
    """Writes a marked run of words on one line."""
    put(figure, text, left, top, size, mark.colour, weight="bold")
    width, height = figure.get_size_inches()
    below = 1 - (top + 1.2 * size / POINTS) / height
    ends = [left / width, (left + width_of(text, size, "bold")) / width]
    figure.add_artist(Line2D(ends, [below, below], color=mark.colour, linestyle=mark.line, linewidth=1.0))


NO_MARKS: Mapping[int, Mark] = {}


def put_lines(
    figure: Figure,
    lines: Sequence[Sequence[str]],
    left: float,
    top: float,
    size: float,
    colour: str = "black",
    marks: Mapping[int, Mark] = NO_MARKS,
) -> float:
    """Writes wrapped words, each marked as `marks` says of its position; returns where the next line begins, in
    inches."""
    position = 0
    for line in lines:
        at = left
        for mark, group in groupby(enumerate(line, position), lambda numbered: marks.get(numbered[0])):
            run = " ".join(word for _, word in group)
            if mark is None:
                put(figure, run, at, top, size, colour)
            else:
                put_marked(figure, run, at, top, size, mark)
            at += width_of(run, size, "normal" if mark is None else "bold") + _space(size)
        position += len(line)
        top += line_height(size)
    return top


def _space(size: float) -> float:
    return width_of("n n", size) - width_of("nn", size)
