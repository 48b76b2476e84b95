import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.attention_shift import attention_shift, moved
from whysaid.figures.overlay import colours
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects


def part(name="dog", importance=0.3, attention=((0.0, 0.5), (0.25, 0.25)), moves=(0.25, 0.5)):
    mask = np.zeros((40, 60), bool)
    mask[5:15, 5:15] = True
    picture = np.full((40, 60, 3), 0.3)
    return PhotoObject(name, mask, importance, picture=picture, attention=np.array(attention), moved=moves)


def photo(*parts, attention=((1.0, 0.0), (0.0, 0.0))):
    return PhotoObjects(np.full((40, 60, 3), 0.5), ["a", "dog"], parts, np.array(attention))


def pictures(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


@pytest.mark.parametrize("number", [1, 4, 13])
def test_a_panel_for_the_photo_and_for_each_object(number):
    figure = attention_shift([photo(*(part(f"thing {i}") for i in range(number))), photo(part())])
    assert len(pictures(figure)) == number + 3
    assert_legible(figure)


def test_the_letters_are_those_of_the_importance_sheet():
    figure = attention_shift([photo(part("cat", 0.1), part("dog", 0.4))])
    assert [text for text in texts(figure) if "without" in text] == ["A  without dog", "B  without cat"]


def test_one_range_for_photo_and_counterfactuals():
    """The photo's attention is all in one corner; half as much of the other's is in the corner beside. Each of the four
    cells has a quarter of it where it prefers none: that is plain."""
    before, after = pictures(attention_shift([photo(part())]))
    strongest = np.array(colours(False)(1.0)[:3])
    np.testing.assert_allclose(before[0, 0], 0.8 * strongest + 0.2 * 0.5, atol=0.01)
    np.testing.assert_allclose(before[-1, -1], 0.5, atol=0.01)
    strength = (0.5 - 0.25) / (1 - 0.25)
    cover, colour = 0.8 * np.sqrt(strength), np.array(colours(False)(strength)[:3])
    np.testing.assert_allclose(after[0, -1], cover * colour + (1 - cover) * 0.3, atol=0.01)
    np.testing.assert_allclose(after[0, 0], 0.3, atol=0.01)
    np.testing.assert_allclose(after[-1, -1], 0.3, atol=0.01)


@pytest.mark.parametrize(
    ("moves", "text"),
    [
        ((0.25, 0.5), "moved 0.50, same words 0.25"),
        ((None, 0.5), "moved 0.50"),
        ((None, None), "nothing is said"),
    ],
)
def test_how_far_it_moved(moves, text):
    assert moved(part(moves=moves)) == text and text in texts(attention_shift([photo(part(moves=moves))]))
