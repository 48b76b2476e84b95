import numpy as np
import pytest
import torch

from whysaid.figures.overlay import SOFT, overlay, soften

GREY = np.full((40, 60, 3), 0.5)


def spot(row, column, value=1.0):
    cells = np.zeros((4, 6))
    cells[row, column] = value
    return cells


def redness(picture, row, column):
    """Red minus blue at the middle of a cell of the 4 × 6 map."""
    pixel = picture[10 * row + 5, 10 * column + 5]
    return pixel[0] - pixel[2]


def test_colours_the_cell_and_leaves_the_rest():
    picture = overlay(GREY, spot(1, 4))
    assert picture.shape == GREY.shape
    assert redness(picture, 1, 4) > 0.2
    assert redness(picture, 3, 0) == pytest.approx(0, abs=1e-6)


def test_an_empty_map_leaves_the_photo_in_its_greys():
    np.testing.assert_allclose(overlay(GREY, np.zeros((4, 6))), GREY)


def test_red_speaks_for_and_blue_against():
    picture = overlay(GREY, spot(0, 0) - spot(3, 5), signed=True)
    assert redness(picture, 0, 0) > 0.2
    assert redness(picture, 3, 5) < -0.2


def test_signed_range_is_symmetric():
    """A weak negative value beside a strong positive one stays weak."""
    weak = overlay(GREY, spot(0, 0) - 0.1 * spot(3, 5), signed=True)
    strong = overlay(GREY, spot(0, 0) - spot(3, 5), signed=True)
    assert redness(strong, 3, 5) < redness(weak, 3, 5) - 0.05


def test_unsigned_maps_show_nothing_below_zero():
    np.testing.assert_allclose(overlay(GREY, -spot(1, 1), limit=1.0), GREY)


def test_a_shared_limit_makes_maps_compare():
    alone, faint = overlay(GREY, spot(1, 1, 0.1)), overlay(GREY, spot(1, 1, 0.1), limit=1.0)
    np.testing.assert_allclose(alone, overlay(GREY, spot(1, 1)), atol=1e-6)
    assert np.abs(faint - GREY).max() < np.abs(alone - GREY).max() / 2


def test_stays_in_range():
    generator = np.random.default_rng(0)
    picture = overlay(generator.random((32, 48, 3)), generator.normal(size=(7, 7)), signed=True, limit=0.5)
    assert picture.min() >= 0 and picture.max() <= 1


def test_softening_spreads_a_pixel_and_keeps_the_sum():
    sharp = np.zeros((2, 90, 120), np.float32)
    sharp[0, 45, 60] = 1
    soft = soften(sharp)
    assert soft.shape == sharp.shape and np.all(soft[1] == 0)
    assert soft[0].sum() == pytest.approx(1, rel=1e-4)
    rows, columns = np.indices((90, 120))
    deviation = np.sqrt((soft[0] * ((rows - 45) ** 2 + (columns - 60) ** 2)).sum() / 2)
    assert deviation == pytest.approx(SOFT * 120, rel=0.05)


@pytest.mark.parametrize("shape", [(0, 8, 8), (1, 1, 1), (1, 1, 40), (3, 2, 2)])
def test_softening_takes_any_shape(shape):
    np.testing.assert_allclose(soften(np.ones(shape, np.float32)), 1, rtol=1e-5)


def test_softening_is_the_same_inside_autocast():
    sharp = np.random.default_rng(0).normal(size=(1, 60, 60)).astype(np.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = soften(sharp)
    np.testing.assert_array_equal(inside, soften(sharp))
