import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, assert_names_apart, texts
from whysaid.figures.bars import bars
from whysaid.figures.boxes import boxes
from whysaid.figures.canvas import to_array
from whysaid.figures.curves import Curve, curves, palette
from whysaid.figures.differences import Difference, differences
from whysaid.figures.frontier import FrontierPoint, frontier

X = np.linspace(0, 1, 5)
NAMES = [f"a method with a long name {i}" for i in range(12)]


def lines(axes):
    return {tuple(line.get_ydata()): line for line in axes.get_lines()}


def test_each_curve_is_drawn_and_named_once():
    group = [Curve("lrp", X, X - 0.1, X + 0.1), Curve("cam", 1 - X), Curve("chance", 0 * X, reference=True)]
    figure = curves({"left": (X, group), "right": (X, group[:1])}, "share", "p")
    left, right = figure.axes
    assert left.get_title(loc="left") == "left" and right.get_xlabel() == "share"
    assert set(lines(left)) == {tuple(X), tuple(1 - X), tuple(0 * X)} and set(lines(right)) == {tuple(X)}
    assert lines(left)[tuple(X)].get_color() == lines(right)[tuple(X)].get_color()
    assert lines(left)[tuple(0 * X)].get_linestyle() == ":"
    assert len(left.collections) == 1  # the band
    assert [text.get_text() for text in figure.legends[0].texts] == ["LRP", "cam", "chance"]
    assert_legible(figure)


@pytest.mark.parametrize("panels", [1, 2])
def test_the_legend_stays_on_the_figure_and_off_the_panels(panels):
    group = [Curve(name, X * i) for i, name in enumerate(NAMES)]
    figure = curves({str(i): (X, group) for i in range(panels)}, "x", "y")
    to_array(figure)
    legend = figure.legends[0].get_window_extent()
    assert legend.x1 <= figure.bbox.x1 and legend.y0 >= 0 and legend.y1 <= figure.bbox.y1
    assert legend.x0 >= max(axes.get_window_extent().x1 for axes in figure.axes)
    drawn = {line.get_color() for line in figure.axes[0].get_lines()}
    assert len(drawn) == len(NAMES)


def test_whole_numbers_are_ticked_as_such():
    (axes,) = curves({"": (np.arange(4), [Curve("lrp", np.ones(4))])}, "x", "y").axes
    assert axes.get_xticks().tolist() == [0, 1, 2, 3]


def test_bars_are_as_high_as_their_values_and_carry_their_intervals():
    groups = {
        "stop words": {"lrp": (0.9, 0.8, 0.95), "random": (0.5, 0.45, 0.6)},
        "others": {"random": (0.2, 0.1, 0.3)},
    }
    figure = bars(groups, "share", "random")
    (axes,) = figure.axes
    assert sorted(round(bar.get_height(), 6) for bar in axes.patches) == [0.2, 0.5, 0.9]
    assert len({bar.get_facecolor() for bar in axes.patches}) == 2  # random is grey in both groups
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(groups)
    ends = sorted(tuple(np.round(path[:, 1], 6)) for box in axes.collections for path in box.get_segments())
    assert ends == [(0.1, 0.3), (0.45, 0.6), (0.8, 0.95)]
    assert [text.get_text() for text in figure.legends[0].texts] == ["LRP", "random"]


def test_names_do_not_touch_where_groups_have_a_bar_each():
    names = [
        "attention",
        "deconvnet",
        "guided\ngrad_cam",
        "integrated\ngradients",
        *(f"occlusion {i}" for i in range(9)),
    ]
    figure = bars({name: {"high": (0.5, 0.4, 0.6)} for name in names}, "median")
    assert_names_apart(figure)


NOTE = (
    "What bars and lines are, in a sentence that is longer than any of these figures is wide. 120 words in 60 images."
)
DIAGRAMS = {
    "bars": lambda note: bars({"words": {"L": (0.5, 0.4, 0.6)}}, "AUC", note=note),
    "boxes": lambda note: boxes({"iou": {"lrp": {"low": [0.1, 0.2, 0.4]}}}, note),
    "curves": lambda note: curves({"left": (X, [Curve("lrp", X)])}, "share", "p", note=note),
    "differences": lambda note: differences({"a − b": {"lrp": {"iou": Difference(0.2, 3.0, True)}}}, ["iou"], note),
    "frontier": lambda note: frontier([FrontierPoint("a", (0.5, 0.4, 0.6), (0.2, 0.1, 0.3))], "recall", "CHAIRi", note),
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_note_stands_beneath_and_moves_nothing(name):
    figure, without = DIAGRAMS[name](NOTE), DIAGRAMS[name]("")
    assert NOTE in " ".join(texts(figure))
    assert_legible(figure)
    added = figure.bbox.height - without.bbox.height
    assert added > 20
    for axes, before in zip(figure.axes, without.axes, strict=True):
        now, then = axes.get_window_extent(), before.get_window_extent()
        assert now.y0 - then.y0 == pytest.approx(added, abs=1) and now.height == pytest.approx(then.height, abs=1)
        assert now.y0 > added, "the note is below"


def test_the_first_colours_differ_for_the_colour_blind():
    """Without red and green apart (deuteranopia, Machado et al. 2009), no two of eight are alike."""
    blind = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    seen = np.array([blind @ to_rgb(colour) for colour in palette(8)])
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(8)
    assert distances.min() > 0.12
