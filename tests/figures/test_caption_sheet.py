import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, texts
from whysaid.figures.canvas import GREY
from whysaid.figures.caption_sheet import Captioned, caption_sheet
from whysaid.figures.marks import HALLUCINATED, MISCOLOURED, WRONG_ANSWER

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


def test_wrong_words_are_marked_and_the_legend_says_what_of():
    figure = caption_sheet([item(wrong={2, 6})])
    assert coloured(figure, HALLUCINATED.mark.colour) == "dog cat word"
    assert coloured(figure, GREY).replace("· ", "") == " ".join([*QUOTED, HALLUCINATED.text])
    lines = [artist for artist in figure.artists if artist.get_color() == HALLUCINATED.mark.colour]
    assert len(lines) == 3, "seen without colour too: each marked run, and the legend's, has a line beneath"
    assert HALLUCINATED.text not in texts(caption_sheet([item()]))
    assert WRONG_ANSWER.text in texts(caption_sheet([item(wrong={2})], WRONG_ANSWER))


def test_a_wrong_colour_has_a_mark_of_its_own():
    figure = caption_sheet([Captioned(np.full((20, 30, 3), 0.5), "a red ball", ["a blue ball"], miscoloured=[1])])
    assert coloured(figure, MISCOLOURED.mark.colour) == "red word" and MISCOLOURED.text in texts(figure)
    assert_legible(figure)


def test_without_references_and_score_there_is_the_caption():
    figure = caption_sheet([item(references=(), score="")])
    assert " ".join(texts(figure)) == SAID


def test_an_endless_word_does_not_hang_the_layout():
    photo = np.zeros((10, 10, 3))
    (text,) = texts(caption_sheet([Captioned(photo, "x" * 300)]))
    assert text.startswith("xxxx") and text.endswith("…")
