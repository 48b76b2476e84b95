"""The library: `whysaid.load` and what its subjects explain."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whysaid
from whysaid.assemble.methods import method_names
from whysaid.attribution.gradient.grad_cam import GradCam


@pytest.fixture(scope="module")
def subject(finished: Path) -> whysaid.Subject:
    return whysaid.load(finished / "checkpoints" / "best.ckpt")


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_every_word_has_a_map_in_the_photo(subject: whysaid.Subject, photo: Image.Image) -> None:
    explanation = subject.explain(photo)
    words = len(explanation.words)
    assert words and explanation.caption.split() == explanation.words
    assert explanation.read == ["<start>", *explanation.words[:-1]]
    assert explanation.maps.shape == (words, 40, 60) and explanation.maps.dtype == np.float32
    assert explanation.word_relevance is not None and explanation.word_relevance.shape == (words, words)
    assert explanation.residual is not None and explanation.residual.shape == (words,)
    assert np.abs(explanation.maps).max(axis=(1, 2)).min() > 0


def test_a_photo_may_be_a_file_an_image_or_an_array(
    subject: whysaid.Subject, photo: Image.Image, tmp_path: Path
) -> None:
    photo.save(tmp_path / "photo.png")
    explanations = [subject.explain(given) for given in (photo, np.asarray(photo), tmp_path / "photo.png")]
    for explanation in explanations[1:]:
        assert explanation.words == explanations[0].words
        np.testing.assert_array_equal(explanation.maps, explanations[0].maps)
    with pytest.raises(whysaid.UserError, match=r"\(H, W, 3\) of uint8"):
        subject.explain(np.zeros((4, 4), np.uint8))


def test_a_given_caption_is_explained(subject: whysaid.Subject, photo: Image.Image) -> None:
    assert subject.explain(photo, caption="a house").caption == "a house"
    with pytest.raises(whysaid.UserError, match="vocabulary"):
        subject.explain(photo, caption="qwertz")
    with pytest.raises(whysaid.UserError, match="takes no question="):
        subject.explain(photo, question="what is it?")


def test_a_method_is_named_or_given(subject: whysaid.Subject, photo: Image.Image) -> None:
    named = subject.explain(photo, method="grad_cam", caption="a house")
    given = subject.explain(photo, method=GradCam(), caption="a house")
    np.testing.assert_array_equal(named.maps, given.maps)
    attention = subject.explain(photo, method="attention", caption="a house")
    assert attention.residual is None and (attention.maps >= 0).all()
    with pytest.raises(whysaid.UserError, match=r"choose one of .*lrp"):
        subject.explain(photo, method="all")


def test_every_name_of_the_package_is_there() -> None:
    assert all(getattr(whysaid, name) is not None for name in whysaid.__all__)
    assert {"lrp", "grad_cam", "occlusion"} <= set(method_names()) and "all" not in method_names()
    with pytest.raises(AttributeError):
        _ = whysaid.nothing  # type: ignore[attr-defined]


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(whysaid.UserError, match="there is no checkpoint"):
        whysaid.load(tmp_path / "none.ckpt")
