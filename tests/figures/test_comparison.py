import numpy as np
import pytest

from tests.figures.checks import assert_legible, texts
from whysaid.figures.comparison import comparison
from whysaid.figures.explained import ExplainedPhoto, draw
from whysaid.figures.overlay import overlay
from whysaid.figures.titles import title

PHOTO = np.full((40, 60, 3), 0.5)
METHODS = ["attention", "LRP", "input × gradient", "Guided Grad-CAM"]


def maps(count):
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=(count, 4, 4)) for name in METHODS}


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 8, 9, 17])
def test_every_word_by_every_method(count):
    words = [f"antidisestablish{i}" for i in range(count)]
    figure = comparison(PHOTO, words, maps(count), dict.fromkeys(METHODS, True))
    assert len(pictures(figure)) == 4 * count
    assert [text for text in texts(figure) if text.startswith("anti")] == words
    assert "attention" in texts(figure)
    assert_legible(figure)
    assert figure.get_size_inches()[0] < 11


def test_rows_are_methods_with_their_own_range_and_colours():
    values = {"attention": np.stack([np.eye(4), 0.1 * np.eye(4)]), "LRP": -5 * np.stack([np.eye(4), np.eye(4)])}
    first, second, third, _ = pictures(
        comparison(PHOTO, ["a", "b"], values, {"attention": False, "LRP": True}, same_range=True)
    )
    np.testing.assert_allclose(first, overlay(PHOTO, np.eye(4), False, 1.0))
    np.testing.assert_allclose(second, overlay(PHOTO, 0.1 * np.eye(4), False, 1.0))
    np.testing.assert_allclose(third, overlay(PHOTO, -np.eye(4), True, 1.0), atol=1e-5)
    _, own, *_ = pictures(comparison(PHOTO, ["a", "b"], values, {"attention": False, "LRP": True}))
    np.testing.assert_allclose(own, first, atol=1e-5)


def explained(*methods):
    shared = np.tril(np.ones((2, 2)))
    return ExplainedPhoto(
        PHOTO,
        ["a", "dog"],
        ["<start>", "a"],
        [1, 2],
        {name: np.ones((2, 4, 4)) for name in ("attention", *methods)},
        words={name: shared if name != "lrp" else 2 * shared for name in methods},
        sentinel=[0.25, 0.5],
    )


def test_which_pictures_a_photo_has():
    assert list(draw(explained())) == ["attention"]
    assert list(draw(explained("lrp"))) == ["attention", "lrp", "words"]
    assert list(draw(explained("lrp", "grad_cam"))) == ["attention", "lrp", "grad_cam", "words", "methods"]


def test_stop_words_are_compared_only_where_nothing_else_was_said():
    photo = explained("lrp", "grad_cam")
    said = texts(draw(photo)["methods"])
    assert "dog" in said and "a" not in said and any(text.startswith("Stop words") for text in said)
    photo.said = ["a", "the"]
    said = texts(draw(photo)["methods"])
    assert {"a", "the"} <= set(said) and not any(text.startswith("Stop words") for text in said)


def test_attention_alone_shows_the_sentinel():
    figures = draw(explained("lrp"))
    assert any(text.startswith("β 0.25") for text in texts(figures["attention"]))
    assert not any("β" in text for text in texts(figures["lrp"]))


def test_methods_that_find_the_same_of_words_are_drawn_once():
    photo = explained("lrp", "grad_cam", "saliency", "my_own")
    photo.signed = frozenset(["lrp", "my_own"])
    photo.words = {**photo.words, "saliency": 1.000001 * photo.words["saliency"]}
    assert {"LRP", "Grad-CAM, saliency", "my own"} <= set(texts(draw(photo)["words"]))


def test_attention_is_seen_against_uniform_and_words_have_their_shares():
    values = {"attention": np.full((2, 4, 4), 1 / 16), "LRP": np.ones((2, 4, 4))}
    shares = {"LRP": np.array([[0.3, 0.1], [0.4, 0.2]])}
    signs = {"attention": False, "LRP": True}
    figure = comparison(PHOTO, ["a", "b"], values, signs, uniform={"attention": 1 / 16}, shares=shares)
    np.testing.assert_allclose(pictures(figure)[0], PHOTO, atol=1e-3)
    assert {"attention to the image", "relevance of the image"} <= set(texts(figure))
    assert len(figure.artists) == 2 * 3 + 2, "a track with two parts for each word, and two squares in the legend"
    assert_legible(figure)


def test_titles():
    assert [title(name) for name in ("grad_cam", "guided_backprop", "my_own")] == [
        "Grad-CAM",
        "Guided Backprop",
        "my own",
    ]
    assert title("Guided Grad-CAM") == "Guided Grad-CAM"
