import numpy as np
import pytest

from src.figures.overlay import overlay

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
