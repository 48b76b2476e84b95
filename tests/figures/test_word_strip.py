import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.canvas import to_array
from whysaid.figures.marks import HALLUCINATED
from whysaid.figures.share_bar import attention_shares
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
    assert "relevance of the image" in texts(figure)
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


def test_title_and_caption_with_what_is_hallucinated():
    figure = word_strip(PHOTO, ["a", "gnu"], maps(2), title="LRP", caption=CAPTION, marks={1: HALLUCINATED})
    marked = [text.get_text() for text in figure.texts if text.get_color() == HALLUCINATED.mark.colour]
    assert marked == ["man", "gnu", "word"], "in the caption, above the panel and in the legend"
    assert {"LRP", HALLUCINATED.text} <= set(texts(figure))
    assert_legible(figure)


def test_attention_that_is_nearly_uniform_is_nearly_plain():
    even, sharp = np.full((4, 4), 1 / 16), np.zeros((4, 4))
    even[0, 0] *= 1.1
    sharp[1, 1] = 1.0
    figure = word_strip(PHOTO, ["a", "b"], np.stack([even, sharp]), same_range=False, uniform=1 / 16)
    _, plain, strong = pictures(figure)
    assert np.abs(plain - PHOTO).max() < 0.15 < 0.35 < np.abs(strong - PHOTO).max()
    np.testing.assert_allclose(plain[20:, 30:], PHOTO[20:, 30:], atol=1e-6)
    assert {"to 4 × uniform", "to 16 × uniform", "attention to the image"} <= set(texts(figure))
    (bar,) = [axes for axes in figure.axes if not axes.images]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["≤ uniform, 1/R", "most"]
    assert_legible(figure)
    shares = attention_shares([0.25, 1.0])
    np.testing.assert_allclose(shares, [[0.375, 0.125], [0, 0.5]])
    figure = word_strip(PHOTO, ["a", "b"], np.stack([even, sharp]), uniform=1 / 16, shares=shares)
    assert "the memory of the text (β)" in texts(figure)
    bar = figure.axes[-1]
    figure.canvas.draw()
    left, right = (label.get_window_extent() for label in bar.get_xticklabels())
    assert [label.get_text() for label in bar.get_xticklabels()][1] == "16 × that" and left.x1 < right.x0
    assert_legible(figure)


def test_bars_show_the_share_of_each_word_and_of_the_image():
    shares = np.array([[0.1, 0.1], [0.6, 0.2]])
    figure = word_strip(PHOTO, ["a", "key"], maps(2), True, shares=shares, quantity="LRP")
    assert {"20 %, of it 50 % image", "80 %, of it 75 % image", "the image", "the words that were read"} <= set(
        texts(figure)
    )
    wide = [patch.get_width() for patch in figure.artists][:6]
    track, first, second = wide[0], wide[1] + wide[2], wide[4] + wide[5]
    assert first == pytest.approx(track / 4) and second == pytest.approx(track), "the largest fills its track"
    assert_legible(figure)
    alone = word_strip(PHOTO, ["a", "key"], maps(2), shares=shares[:, :1] / 0.7, quantity="saliency")
    assert {"14 %", "86 %", "saliency of the image, magnitude"} <= set(texts(alone))
    assert "the words that were read" not in texts(alone)
