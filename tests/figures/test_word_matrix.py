import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.checks import assert_legible, texts
from whysaid.figures.word_matrix import ink, word_matrix

SAID = ["a", "$5", "dog", "on", "a", "surfboard"]
READ = ["<start>", *SAID[:-1]]
REACH = [1, 2, 3, 4, 5, 6]


def relevance(seed=0):
    return np.tril(np.random.default_rng(seed).normal(size=(6, 6)))


def boxes(figure):
    """The colour of each box, None for those of the explained words."""
    return [None if box.get_facecolor()[3] == 0 else box.get_facecolor()[:3] for box in figure.artists]


@pytest.mark.parametrize("same_range", [False, True])
def test_each_word_stands_behind_those_it_was_said_on(same_range):
    figure = word_matrix(READ, SAID, REACH, {"LRP": relevance(), "saliency": relevance(1)}, same_range)
    assert_legible(figure)
    words = [text for text in texts(figure) if text in {*SAID, "<start>"}]
    assert words == 2 * [word for t in range(6) for word in [*READ[: t + 1], SAID[t]]]
    bold = [text.get_text() for text in figure.texts if text.get_weight() == "bold"]
    assert bold == ["LRP", *SAID, "saliency", *SAID]


def test_red_speaks_for_and_blue_against():
    values = np.zeros((2, 2))
    values[0, 0], values[1] = 3.0, (-1.0, 0.0)
    first, own, second, zero, last = boxes(word_matrix(["<start>", "a"], ["a", "b"], [1, 2], {"LRP": values}))
    assert own is None and last is None
    assert first[0] > first[2] + 0.2 and second[2] > second[0] + 0.2
    np.testing.assert_allclose(zero, np.full(3, zero[0]), atol=0.02)


def test_magnitudes_have_one_direction_and_every_bar_says_what_it_is_of():
    values = {"LRP": relevance(), "saliency": np.abs(relevance(1))}
    figure = word_matrix(READ, SAID, REACH, values, signed=["LRP"])
    assert {"relevance of the words read", "magnitude of the words read"} <= set(texts(figure))
    assert any(text.startswith("max ") for text in texts(figure)) and any(
        text.startswith("±") for text in texts(figure)
    )
    assert any(text.startswith("a row:") for text in texts(figure))
    assert any(text.startswith("columns:") for text in texts(figure))
    assert_legible(figure)


def test_words_share_the_range_on_request():
    values = np.array([[1.0, 0.0], [0.1, 0.0]])
    own = boxes(word_matrix(["<start>", "a"], ["a", "b"], [1, 2], {"LRP": values}))
    same = boxes(word_matrix(["<start>", "a"], ["a", "b"], [1, 2], {"LRP": values}, same_range=True))
    assert own[0] == own[2] == same[0]
    assert same[2] != own[2]


def test_an_answer_stands_behind_the_whole_question():
    figure = word_matrix(["is", "it", "red"], ["yes"], [3], {"LRP": np.array([[0.1, 0.2, -1.0]])})
    assert_legible(figure)
    assert [text for text in texts(figure) if text in {"is", "it", "red", "yes"}] == ["is", "it", "red", "yes"]


def test_a_long_sentence_stays_legible_and_narrow():
    said = [f"antidisestablish{i}" for i in range(18)]
    values = np.tril(np.ones((18, 18)))
    figure = word_matrix(["<start>", *said[:-1]], said, list(range(1, 19)), {"LRP": values})
    assert_legible(figure)
    assert figure.get_size_inches()[0] < 12


@pytest.mark.parametrize("colour", ["#ffffff", "#67001f", "#053061", "#f4a582", "#4393c3", "#b2182b", "#2166ac"])
def test_ink_is_the_more_readable_of_black_and_white(colour):
    def luminance(c):
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(c)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a, b):
        bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
        return (bright + 0.05) / (dark + 0.05)

    chosen = ink(colour)
    other = {"white": "black", "black": "white"}[chosen]
    assert contrast(colour, chosen) >= max(4.5, contrast(colour, other))
