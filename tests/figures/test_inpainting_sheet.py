import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.inpainting_sheet import HEADINGS, HOLE, Sample, inpainting_sheet


def sample(height: int = 20, width: int = 16) -> Sample:
    hole = np.zeros((height, width))
    hole[5:10, 5:10] = 1
    truth, coarse, completed = (np.full((height, width, 3), value) for value in (0.9, 0.2, 0.4))
    return Sample(truth, hole, coarse, completed)


@pytest.mark.parametrize(("count", "height"), [(1, 20), (6, 20), (3, 9)])
def test_a_row_of_five_for_each(count: int, height: int) -> None:
    figure = inpainting_sheet([sample(height)] * count)
    assert texts(figure) == list(HEADINGS) and sum(bool(axes.images) for axes in figure.axes) == 5 * count
    assert_legible(figure)


def test_what_is_shown_in_which_column() -> None:
    holed, hole, coarse, completed, truth = (axes.images[0].get_array() for axes in inpainting_sheet([sample()]).axes)
    assert holed[7, 7, 0] == HOLE and holed[0, 0, 0] == 0.9
    assert hole[7, 7, 0] == 1 and hole[0, 0, 0] == 0
    assert (coarse[0, 0, 0], completed[0, 0, 0], truth[0, 0, 0]) == (0.2, 0.4, 0.9)
