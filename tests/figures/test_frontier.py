from tests.figures.checks import assert_legible
from whysaid.figures.frontier import FrontierPoint, frontier

POINTS = [
    FrontierPoint("baseline", (0.5, 0.4, 0.6), (0.3, 0.2, 0.4), best=True),
    FrontierPoint("cut 6", (0.3, 0.3, 0.3), (0.2, 0.1, 0.3), "cut", True),
    FrontierPoint("cut 8", (0.4, 0.3, 0.5), (0.35, 0.1, 0.5), "cut"),
    FrontierPoint("tuned", (0.4, 0.3, 0.5), (0.4, 0.3, 0.5)),
]


def test_families_are_joined_and_named_once_and_each_member_has_its_value_beside_it():
    figure = frontier(POINTS, "recall", "CHAIRi")
    assert_legible(figure)
    (legend,), (axes,) = figure.legends, figure.axes
    assert [text.get_text() for text in legend.get_texts()] == ["baseline", "cut", "tuned", "frontier"]
    assert [text.get_text() for text in axes.texts] == ["6", "8"]
    assert [list(line.get_xdata()) for line in axes.lines[:3]] == [[0.5], [0.3, 0.4], [0.4]]


def test_the_staircase_joins_what_nothing_beats():
    stairs = frontier(POINTS, "recall", "CHAIRi").axes[0].lines[-1]
    assert list(stairs.get_xdata()) == [0.3, 0.5] and list(stairs.get_ydata()) == [0.2, 0.3]
