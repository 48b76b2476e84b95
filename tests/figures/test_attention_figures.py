"""The figures of the study of people's maps."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from tests.figures.checks import assert_legible, assert_names_apart, texts
from whysaid.figures.attention_sheet import attention_sheet, squashed
from whysaid.figures.boxes import boxes
from whysaid.figures.canvas import to_array
from whysaid.figures.differences import Difference, differences


def test_sheets_have_a_row_for_each_and_a_column_for_each_answer() -> None:
    rng = np.random.default_rng(0)
    maps = {"grad_cam": rng.random((2, 24, 24)), "lrp": rng.random((2, 24, 24))}
    figure = attention_sheet(
        rng.random((24, 24, 3)), ["right: ball", "said: cat"], {"people": rng.random((48, 48))}, maps
    )
    assert {"people", "Grad-CAM", "LRP", "right: ball", "said: cat"} <= set(texts(figure))
    assert len(figure.axes) == 3 * 2 + 1  # the last says what the colours mean
    assert_legible(figure)


def test_the_sigmoid_of_standardised_maps() -> None:
    values = np.random.default_rng(1).random((2, 5, 5))
    shown = squashed(values)
    z = (values[0] - values[0].mean()) / values[0].std()
    assert shown[0] == pytest.approx(2 / (1 + np.exp(-z)) - 1, abs=1e-4)
    assert squashed(7 * values + 3) == pytest.approx(shown, abs=1e-4) and not squashed(np.ones((1, 4, 4))).any()


def test_differences_are_coloured_by_t_and_starred() -> None:
    row = {"iou": Difference(0.25, 4.0, True), "f1": Difference(-3000.0, -4.0), "rho": Difference(None, None)}
    figure = differences({"correct − wrong": {"lrp": row}}, ["iou", "f1", "rho", "none"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["+0.250*", "-3000"]
    red, blue, *grey = (to_rgba(patch.get_facecolor()) for patch in axes.patches)
    assert red[0] > red[2] and blue[2] > blue[0] and all(np.ptp(face[:3]) == 0 for face in grey)
    assert texts(figure) == ["correct − wrong"]


def test_boxes_leave_empty_groups_out() -> None:
    drawn = {"iou": {"lrp": {"low": [0.1, 0.2, 0.4], "high": []}, "cam": {"low": [0.5], "high": [0.1, 0.9]}}}
    figure = boxes(drawn | {"f1": drawn["iou"]})
    assert [len(axes.patches) for axes in figure.axes] == [3, 3]
    assert [axes.get_ylabel() for axes in figure.axes] == ["iou", "f1"]
    assert to_array(figure).std() > 0


def test_names_do_not_touch_where_groups_have_a_box_each() -> None:
    names = ("attention", "deconvnet", "guided\ngrad_cam", "integrated\ngradients", "occlusion", "random")
    figure = boxes({"iou": {name: {"high": [0.1, 0.2, 0.4]} for name in names}})
    assert_names_apart(figure)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list(names)
