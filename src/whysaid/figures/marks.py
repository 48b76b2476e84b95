"""How words with something to say of them are marked, the same in every figure, and the legend of that.

A mark is a colour, bold type and a line beneath, so that it is seen without its colour too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY
from whysaid.figures.text import Mark, fit, line_height, put, put_lines, width_of

SMALL = 9.0
"""Font size of a legend, points."""


class Meaning(NamedTuple):
    """A mark and what it says."""

    mark: Mark
    text: str


HALLUCINATED = Meaning(Mark("#c62828", "-"), "names what is not there: hallucinated")
MISCOLOURED = Meaning(Mark("#a65200", ":"), "a wrong colour of what is there")
WRONG_ANSWER = HALLUCINATED._replace(text="a wrong answer")
CONFUSED = HALLUCINATED._replace(text=f"{HALLUCINATED.text}; the maps explain this word")
NEW = Meaning(Mark("#1565c0", "--"), "new: the caption of the untouched photo lacks it")


def legend_height(meanings: Sequence[Meaning]) -> float:
    """Inches that a legend takes."""
    return len(meanings) * (line_height(SMALL) + 0.03)


def marks_legend(figure: Figure, meanings: Sequence[Meaning], left: float, top: float, width: float) -> None:
    """Writes a line for each mark, `width` inches wide at most."""
    for meaning in meanings:
        sample = "word"
        put_lines(figure, [[sample]], left, top, SMALL, marks={0: meaning.mark})
        at = left + width_of(sample, SMALL, "bold") + 0.1
        put(figure, meaning.text, at, top, fit(meaning.text, SMALL, left + width - at), GREY)
        top += line_height(SMALL) + 0.03
