"""No photo and no text makes a figure too large to open, or lets anything leave its place."""

import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.attention_sheet import attention_sheet
from whysaid.figures.attention_shift import attention_shift
from whysaid.figures.canvas import DPI, LARGEST, LONGEST, TALLEST, add_picture, blank, to_array
from whysaid.figures.caption_sheet import Captioned, caption_sheet
from whysaid.figures.comparison import comparison
from whysaid.figures.importance_sheet import importance_sheet
from whysaid.figures.inpainting_sheet import Sample, inpainting_sheet
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects
from whysaid.figures.text import shortened, width_of, wrap
from whysaid.figures.word_matrix import MOST, word_matrix
from whysaid.figures.word_sheet import SheetWord, word_sheet
from whysaid.figures.word_strip import word_strip

WIDEST = 2.85
"""Inches of the widest place of a picture, in any of these figures."""

MAPS = np.random.default_rng(0).random((2, 3, 3))
WORDS = ["a", "dog"]


def objects(photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[: max(1, len(mask) // 2)] = True
    part = PhotoObject("dog", mask, 0.5, picture=photo, words=WORDS, attention=MAPS[0], moved=(0.1, 0.2))
    return PhotoObjects(photo, WORDS, [part], MAPS[0])


FIGURES = {
    "word_strip": lambda photo: word_strip(photo, WORDS, MAPS),
    "comparison": lambda photo: comparison(photo, WORDS, {"lrp": MAPS}, {"lrp": True}),
    "attention_sheet": lambda photo: attention_sheet(photo, WORDS, {"people": MAPS[0]}, {"lrp": MAPS}),
    "word_sheet": lambda photo: word_sheet([SheetWord(photo, WORDS, 1, {"LRP": MAPS[0]})]),
    "caption_sheet": lambda photo: caption_sheet([Captioned(photo, "a dog", ["a cat"], [1], "CIDEr 0.10")]),
    "importance_sheet": lambda photo: importance_sheet([objects(photo)]),
    "attention_shift": lambda photo: attention_shift([objects(photo)]),
    "inpainting_sheet": lambda photo: inpainting_sheet([Sample(photo, photo[..., 0], photo, photo)]),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("shape", [(2000, 8), (8, 2000), (1, 1)], ids=str)
def test_a_picture_of_any_shape_has_its_bounded_place(name, shape):
    figure = FIGURES[name](np.random.default_rng(0).random((*shape, 3)))
    assert_legible(figure)
    assert to_array(figure).size < 3 * 2_000_000
    panels = [axes.get_window_extent() for axes in figure.axes if axes.images]
    assert panels
    for panel in panels:
        assert panel.width >= 0.99 and panel.height >= 0.99, "every picture is seen"
        assert panel.height <= 1.01 * TALLEST * WIDEST * DPI
        assert figure.bbox.x0 <= panel.x0 and panel.x1 <= figure.bbox.x1 and panel.y1 <= figure.bbox.y1


def test_a_narrow_picture_stands_in_the_middle_of_its_place():
    figure = blank(4, 6)
    panel = add_picture(figure, np.zeros((400, 10, 3)), left=1, top=0.5, width=2).get_window_extent()
    assert panel.height == pytest.approx(2 * TALLEST * DPI)
    assert (panel.x0 + panel.x1) / 2 == pytest.approx(2 * DPI)
    assert panel.width / panel.height == pytest.approx(10 / 400)


@pytest.mark.parametrize("size", [(10, 1e5), (1e5, 10), (900, 900)], ids=str)
def test_a_figure_of_any_size_in_inches_has_so_many_pixels_at_most(size):
    figure = blank(*size)
    assert figure.bbox.width * figure.bbox.height <= 1.001 * LARGEST
    assert max(figure.bbox.width, figure.bbox.height) <= 1.001 * LONGEST
    assert blank(2, 3).dpi == DPI


def test_long_captions_and_references_end_in_an_ellipsis():
    photo, caption = np.full((20, 30, 3), 0.5), " ".join(["word"] * 4000)
    figure = caption_sheet([Captioned(photo, caption, [caption] * 100)])
    assert_legible(figure)
    assert sum(text.endswith("…") for text in texts(figure)) == 11  # one caption and ten references
    assert figure.get_size_inches()[1] < 13
    sheet = word_sheet([SheetWord(photo, caption.split(), 1, {"LRP": MAPS[0]})])
    assert_legible(sheet)
    assert sheet.get_size_inches()[1] < 4


def test_a_word_without_end_stays_within_its_line():
    (line,) = wrap(["https://" + "x" * 10_000], 10, 1.5)
    assert line[0].startswith("https://x") and line[0].endswith("…") and 1.2 < width_of(line[0], 10) <= 1.5
    assert shortened("dog", 10, 1.5) == "dog"


def test_a_sentence_without_end_is_shown_from_its_beginning():
    number = 5 * MOST
    said = [f"w{i}" for i in range(number)]
    values = np.tril(np.ones((number, number)))
    figure = word_matrix(["<start>", *said[:-1]], said, list(range(1, number + 1)), {"LRP": values})
    assert said[MOST - 1] in texts(figure) and said[MOST] not in texts(figure)
    assert f"{number - MOST} more words are not shown" in texts(figure)
    assert figure.get_size_inches()[0] < 12
    assert_legible(figure)
