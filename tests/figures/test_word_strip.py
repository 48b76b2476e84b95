import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.canvas import to_array
from whysaid.figures.word_strip import word_strip

PHOTO = np.full((40, 60, 3), 0.5)
CAPTION = ["a", "man", "with", "antidisestablishmentarianism", "$5", "of", "x_1^2", "on", "his", "gnu", "surfboard"]


def maps(count, size=4):
    return np.random.default_rng(0).random((count, size, size)) / size**2


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 5, 6, len(CAPTION)])
@pytest.mark.parametrize("with_sentinel", [False, True])
def test_every_word_has_its_overlay(count, with_sentinel):
    words = CAPTION[:count]
    sentinel = [i / count for i in range(count)] if with_sentinel else None
    figure = word_strip(PHOTO, words, maps(count), sentinel=sentinel)
    assert len(pictures(figure)) == count + 1
    np.testing.assert_array_equal(pictures(figure)[0], PHOTO)
    assert [text for text in texts(figure) if text in words] == words
    assert sum(text.startswith("β") for text in texts(figure)) == (count if with_sentinel else 0)
    assert_legible(figure)


def test_six_to_a_row_and_wide_enough_to_read():
    figure = word_strip(PHOTO, CAPTION[:7], maps(7))
    tops = sorted(round(axes.get_position().y1, 3) for axes in figure.axes if axes.images)
    assert tops.count(tops[-1]) == 6 and tops.count(tops[0]) == 2
    assert 1200 <= to_array(figure).shape[1] <= 1600


def test_words_of_one_caption_share_the_range():
    heat = np.stack([np.eye(4), 0.01 * np.eye(4)])
    _, strong, weak = pictures(word_strip(PHOTO, ["a", "b"], heat))
    assert np.abs(weak - PHOTO).max() < 0.3 * np.abs(strong - PHOTO).max()


def test_signed_colour_bar_goes_both_ways():
    figure = word_strip(PHOTO, ["a", "b"], np.stack([np.eye(4), -2 * np.eye(4)]), signed=True, quantity="relevance")
    (bar,) = [axes for axes in figure.axes if not axes.images]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["−2", "0", "2"]
    assert "relevance" in texts(figure)
    first, second = pictures(figure)[1:]
    assert first[5, 7, 0] > first[5, 7, 2] and second[5, 7, 0] < second[5, 7, 2]


def test_an_empty_caption_is_the_photo_alone():
    figure = word_strip(PHOTO, [], np.zeros((0, 4, 4)))
    assert len(figure.axes) == 1 and texts(figure) == []


def test_each_word_may_have_its_own_range():
    heat = np.stack([np.eye(4), 0.01 * np.eye(4)])
    figure = word_strip(PHOTO, ["a", "b"], heat, same_range=False, sentinel=[0.25, 0.5])
    _, strong, weak = pictures(figure)
    np.testing.assert_allclose(strong, weak, atol=1e-5)
    assert {"β 0.25   max 1", "β 0.50   max 0.01"} <= set(texts(figure))
    assert_legible(figure)


def test_own_ranges_of_signed_maps_are_symmetric():
    figure = word_strip(PHOTO, ["a"], -np.eye(4)[None], signed=True, same_range=False, quantity="relevance")
    assert "±1" in texts(figure)
    (bar,) = [axes for axes in figure.axes if not axes.images]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["against", "0", "for"]
    assert_legible(figure)
