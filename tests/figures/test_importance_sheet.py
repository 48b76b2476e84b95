import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, texts
from whysaid.figures.importance_sheet import importance_sheet, shaded
from whysaid.figures.marks import HALLUCINATED, NEW
from whysaid.figures.overlay import colours
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects

SAID = ["a", "big", "dog", "and", "a", "cat", "under", "a", "very", "long", "table"]


def part(importance=0.4, name="dog", height=40, left=5, words=("a", "cat", "sleeping", "under", "a", "table")):
    mask = np.zeros((height, 60), bool)
    mask[5:15, left : left + 10] = True
    if importance is None:
        return PhotoObject(name, mask, skipped="too small")
    return PhotoObject(name, mask, importance, picture=np.full((height, 60, 3), 0.3), words=words)


def photo(*parts, height=40):
    return PhotoObjects(np.full((height, 60, 3), 0.5), SAID, parts)


@pytest.mark.parametrize("number", [1, 4, 13])
def test_a_panel_for_the_photo_and_for_each_object(number):
    parts = [part(0.1 * i, f"thing {i}") for i in range(number)]
    figure = importance_sheet([photo(*parts, part(None)), photo(part(), height=40)])
    assert sum(bool(axes.images) for axes in figure.axes) == number + 3
    assert "the photo (1 object left in)" in texts(figure) and "the photo" in texts(figure)
    assert_legible(figure)


def test_the_most_important_is_the_first_and_new_words_are_marked_as_new():
    figure = importance_sheet([photo(part(0.1, "cat"), part(0.4, "dog"))])
    heads = [text for text in texts(figure) if "without" in text]
    assert heads == ["A  without dog: 0.40", "B  without cat: 0.10"]
    new = [text.get_text() for text in figure.texts if to_rgb(text.get_color()) == to_rgb(NEW.mark.colour)]
    assert new == ["sleeping", "sleeping", "word"] and NEW.text in texts(figure)
    assert NEW.mark != HALLUCINATED.mark, "one mark, one meaning"


def test_objects_are_in_the_colour_of_their_importance():
    drawn = shaded(np.full((40, 60, 3), 0.5), [part(0.4), part(0.0, left=30), part(0.2, left=8)], 0.4)
    strongest = np.array(colours(False)(1.0)[:3])
    assert np.abs(drawn[10, 6] - (0.8 * strongest + 0.2 * 0.5)).max() < 0.01
    np.testing.assert_allclose(drawn[10, 35], 0.5)  # nothing depends on it
    assert (drawn[5, 35] < 0.3).all()  # but it has an outline
    np.testing.assert_allclose(drawn[10, 16], drawn[12, 16])  # of the weaker one, where the stronger one ends
    assert np.abs(drawn[10, 10] - drawn[10, 12]).max() < 0.01, "the stronger one lies on top"
    np.testing.assert_allclose(drawn[30, 50], 0.5)


@pytest.mark.parametrize(("left", "corner"), [(0, 0), (50, 59)])
def test_a_letter_stays_inside(left, corner):
    narrow = np.zeros((40, 60), bool)
    narrow[5:30, corner] = True
    figure = importance_sheet(
        [photo(PhotoObject("plant", narrow, 0.1, picture=np.full((40, 60, 3), 0.3), words=["a"]))]
    )
    figure.canvas.draw()
    (letter,) = [text for text in figure.axes[0].texts if text.get_text() == "A"]
    box, frame = letter.get_window_extent(), figure.axes[0].get_window_extent()
    assert frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1


def test_nothing_was_removed():
    assert texts(importance_sheet([photo(part(None))]))[0] == "the photo (1 object left in)"
