from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from whysaid.figures.canvas import blank
from whysaid.figures.text import fit, put, width_of, wrap

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_measures_what_is_drawn(weight):
    figure = blank(4, 1)
    put(figure, "waves $x$ on", 0.5, 0.2, 11, weight=weight)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    drawn = figure.texts[0].get_window_extent(figure.canvas.get_renderer())
    assert width_of("waves $x$ on", 11, weight) == pytest.approx(drawn.width / figure.dpi, abs=0.02)


@pytest.mark.parametrize("width", [0.5, 1.0, 1.7, 9.0])
def test_wraps_within_the_width_and_loses_nothing(width):
    lines = wrap(WORDS, 10, width)
    assert [word for line in lines for word in line] == WORDS
    assert all(width_of(" ".join(line), 10) <= width + 0.02 for line in lines)
    for line, following in pairwise(lines):
        assert width_of(" ".join([*line, following[0]]), 10) > width - 0.02, "there was room on the line before"


def test_fit_shrinks_only_what_is_too_wide():
    assert fit("dog", 12, 2.0) == 12
    size = fit("dog" * 20, 12, 2.0)
    assert size < 12 and width_of("dog" * 20, size) == pytest.approx(2.0, rel=0.1)
