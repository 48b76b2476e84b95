import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, texts
from whysaid.figures.marks import CONFUSED
from whysaid.figures.word_sheet import SheetWord, word_sheet

SAID = ["there", "is", "a", "big", "yellow", "dog", "beneath", "a", "very", "long", "table", "with", "$3", "legs"]


def word(place: int, height: int = 40) -> SheetWord:
    rng = np.random.default_rng(place)
    maps = {"LRP": rng.normal(size=(10, 10)), "attention": rng.random((4, 4))}
    return SheetWord(np.full((height, 60, 3), 0.5), SAID, place, maps, frozenset({"LRP"}))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_word_has_photo_maps_and_caption(count: int) -> None:
    figure = word_sheet([word(i, 30 + 20 * (i % 3)) for i in range(count)])
    assert sum(bool(axes.images) for axes in figure.axes) == 3 * count
    assert texts(figure).count("LRP") == texts(figure).count("attention") == min(count, 2)
    assert_legible(figure)


def test_the_word_is_marked() -> None:
    figure = word_sheet([word(5)])
    red = [text.get_text() for text in figure.texts if to_rgb(text.get_color()) == to_rgb(CONFUSED.mark.colour)]
    assert red == ["dog", "word"] and CONFUSED.text in texts(figure)
    assert {"relevance of the image", "magnitude of the image"} <= set(texts(figure)), "each bar says what it is of"


def test_only_signed_maps_show_blue() -> None:
    against = SheetWord(np.full((20, 20, 3), 0.5), ["a"], 0, {"LRP": -np.ones((4, 4))}, frozenset({"LRP"}))
    _, panel, _ = word_sheet([against]).axes
    red, _, blue = panel.images[0].get_array()[10, 10][:3]
    assert blue > red
