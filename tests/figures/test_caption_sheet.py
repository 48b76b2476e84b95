import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, texts
from whysaid.figures.canvas import GREY, WRONG
from whysaid.figures.caption_sheet import Captioned, caption_sheet

SAID = "a big dog and a $3 cat under a very long table with far too many legs"
QUOTED = ["A dog sits by a cat.", "Two animals that are drawn at length beneath a table, one of them asleep."]


def item(height=40, wrong=(), score="CIDEr 1.21", references=QUOTED):
    return Captioned(np.full((height, 60, 3), 0.5), SAID, references, wrong, score)


def coloured(figure, colour):
    return " ".join(text.get_text() for text in figure.texts if to_rgb(text.get_color()) == to_rgb(colour))


@pytest.mark.parametrize("count", [1, 3, 9])
def test_shows_everything_and_overlaps_nothing(count):
    figure = caption_sheet([item(height=20 + 15 * (i % 4), wrong={2, 6}) for i in range(count)])
    assert sum(bool(axes.images) for axes in figure.axes) == count
    assert texts(figure).count("CIDEr 1.21") == count
    words = " ".join(texts(figure)).split()
    assert all(words.count(word) >= count for text in (SAID, *QUOTED) for word in text.split())
    assert_legible(figure)


def test_wrong_words_are_red_and_references_grey():
    figure = caption_sheet([item(wrong={2, 6})])
    assert coloured(figure, WRONG) == "dog cat"
    assert coloured(figure, GREY).replace("· ", "") == " ".join(QUOTED)


def test_without_references_and_score_there_is_the_caption():
    figure = caption_sheet([item(references=(), score="")])
    assert " ".join(texts(figure)) == SAID


def test_an_endless_word_does_not_hang_the_layout():
    photo = np.zeros((10, 10, 3))
    assert texts(caption_sheet([Captioned(photo, "x" * 300)])) == ["x" * 300]
