"""A photo that is looked into: each question is answered by the model and by the methods, and asked once."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import whysaid
from whysaid.app.exploration import LEAST, Exploration, Shown, enlarged
from whysaid.app.filling import Filling
from whysaid.app.objects import at_point, found_objects, outlined
from whysaid.app.words import new_places, read_html, said_html
from whysaid.attribution.sentence import explain_sentence
from whysaid.data.inpainting.filling import fill_with_mean
from whysaid.data.instances import Instance
from whysaid.errors import UserError
from whysaid.figures.overlay import colours


@pytest.fixture(scope="module")
def subject(finished: Path) -> whysaid.Subject:
    return whysaid.load(finished / "checkpoints" / "best.ckpt")


@pytest.fixture
def explored(subject: whysaid.Subject) -> Exploration:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Exploration.of(subject, Image.fromarray(pixels))


def test_a_method_explains_once(explored: Exploration) -> None:
    with patch("whysaid.app.exploration.explain_sentence", side_effect=explain_sentence) as explain:
        first = explored.maps("lrp")
        assert explored.maps("lrp") is first and explain.call_count == 1
    assert first.maps.shape == (len(explored.words), 40, 60)


def test_a_picture_is_large_enough_to_be_seen(explored: Exploration) -> None:
    picture = explored.picture("lrp", 0, Shown())
    assert max(picture.size) == LEAST and picture.width * 40 == pytest.approx(picture.height * 60, rel=0.02)


def test_without_opacity_the_photo_is_as_it_was(explored: Exploration) -> None:
    np.testing.assert_array_equal(explored.picture("lrp", 0, Shown(opacity=0)), enlarged(explored.photo))
    assert (np.asarray(explored.picture("lrp", 0, Shown())) != np.asarray(enlarged(explored.photo))).any()


def test_one_sign_at_a_time(explored: Exploration) -> None:
    both, pro, contra = (
        np.asarray(explored.picture("lrp", 0, Shown(sign))).astype(int) for sign in ("both", "for", "against")
    )
    assert (pro != contra).any() and (both != pro).any()
    explored.maps("lrp").maps[0] = np.abs(explored.maps("lrp").maps[0])
    against = np.asarray(explored.picture("lrp", 0, Shown("against")))
    assert against.std(2).mean() < np.asarray(enlarged(explored.photo)).std(2).mean(), "nothing is coloured"


def test_the_shares_of_a_region_and_of_the_rest_add_up(explored: Exploration) -> None:
    mask = np.zeros((40, 60), bool)
    mask[:, :20] = True
    inside, outside = explored.resting_on(mask, "attention"), explored.resting_on(~mask, "attention")
    for (word, share), (_, rest) in zip(inside, outside, strict=True):
        assert share + rest == pytest.approx(1, rel=1e-4) and 0 < share < 1, word
    assert [word for word, _ in inside] == explored.words


def test_a_region_is_filled_and_the_rest_kept(explored: Exploration) -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    after = explored.without(mask, Filling(fill_with_mean))
    changed = (np.asarray(after.photo) != np.asarray(explored.photo)).any(2)
    assert changed[mask].any() and not changed[~mask].any()
    assert after.words == Exploration.of(explored.subject, after.photo).words


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((40, 60), bool), "no region is painted"),
        (np.ones((40, 60), bool), "covers the whole photo"),
        (np.ones((60, 40), bool), "the mask has 40 × 60 pixels, the photo 60 × 40"),
    ],
)
def test_a_region_that_cannot_be_taken_out(explored: Exploration, mask: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        explored.without(mask, Filling(fill_with_mean))


class Nothing:
    categories = ()

    def __call__(self, photo: Image.Image, device: object = "cpu") -> list[Instance]:
        return []


def test_objects_that_a_detector_finds(explored: Exploration) -> None:
    boxes = (0.0, 0.0, 30.0, 40.0), (10.0, 10.0, 10.0, 20.0), (50.0, 0.0, 5.0, 5.0)
    instances = [Instance(i, name, box, (40, 60)) for i, (name, box) in enumerate(zip("aab", boxes, strict=True))]
    objects = found_objects(instances, (80, 120))
    assert [found.name for found in objects] == ["a 1", "a 2", "b"]
    assert (
        at_point(objects, 0.25, 0.5) == 1 and at_point(objects, 0.05, 0.5) == 0 and at_point(objects, 0.7, 0.9) is None
    )
    assert (objects[1].hole & objects[1].mask == objects[1].mask).all() and objects[1].hole.sum() > 800
    photo = Image.new("RGB", (120, 80), (200, 200, 200))
    none, second = (np.asarray(outlined(photo, objects, chosen)) for chosen in (-1, 1))
    assert (none[75, 100] == 200).all() and (none[40, 20] != 200).any(), "an outline is drawn"
    assert (second[75, 100] < 100).all() and (second[40, 30] == 200).all(), "all else is dark"
    with pytest.raises(UserError, match="finds no object in this photo"):
        explored.find_objects(Nothing())


def test_why_this_rather_than_that_is_a_difference_of_logits(subject: whysaid.Subject, explored: Exploration) -> None:
    words = ["a", "house", "and", "a", "ball"]
    asked = Exploration.of(subject, explored.photo, caption=" ".join(words))
    compared = asked.rather("a house and a house")
    assert compared.words == ["ball rather than house"]
    maps, ball = compared.maps("lrp"), asked.maps("lrp").maps[4]
    houses = ["a", "house", "and", "a", "house"]
    house = Exploration.of(subject, explored.photo, caption=" ".join(houses)).maps("lrp").maps[4]
    np.testing.assert_allclose(  # products may be rounded to bfloat16
        maps.maps[0], ball - house, rtol=0, atol=0.02 * float(np.abs(ball - house).max())
    )
    for text, message in (("a house and", "the same"), ("a qwertz", "vocabulary")):
        with pytest.raises(UserError, match=message):
            asked.rather(text)


def test_support_counts_relevance_as_a_report_does(subject: whysaid.Subject, explored: Exploration) -> None:
    """Relevance is computed for it, and the report that is written of the photo says the same."""
    assert explored.support is None, "nobody has fitted it"
    with patch.object(subject, "support", stand_in := StandIn()):
        asked = Exploration.of(subject, explored.photo)
        (largest, *_) = [asked.maps("lrp").largest]
        assert asked.support == stand_in.values == asked.supported().about["support"]
        np.testing.assert_array_equal(stand_in.evidence["relevance"], largest)
        compared = asked.rather("ball house")
        assert compared.support is None, "a comparison names no object of the photo"


class StandIn:
    """The support of a captioner, which notes what it is asked with."""

    evidence: dict[str, Any]
    values: list[float | None]
    probe = None

    def of_words(self, words: list[str], evidence: dict[str, Any]) -> list[float | None]:
        self.evidence, self.values = evidence, [0.2] * len(words)
        return self.values


def test_doubtful_and_new_words_are_marked_and_html_is_escaped() -> None:
    line = said_html(["a", "<b>", "ball"], [None, 0.2, 0.9], changed=[2])
    assert "&lt;b&gt;" in line and "<mark>ball</mark>" in line
    assert line.count("named doubtful") == 1 and line.count('class="named') == 2 and "0.90" in line
    assert "Doubtful:</b> “&lt;b&gt;” (support 0.20). The photo may not show this." in line
    assert "Doubtful" not in said_html(["a", "<b>", "ball"], [None, 0.2, 0.9], doubtful=0.1)
    assert said_html(["a", "ball"]) == '<p class="said">a ball</p>', "nothing is underlined where nothing is known"
    assert "<b>" not in read_html(["<b>"], np.array([1.0]), 1.0)
    for signed in (True, False):
        assert to_hex(colours(signed)(1.0)) in read_html(["a"], np.array([1.0]), 1.0, signed)
    assert new_places(["a", "red", "ball"], ["a", "blue", "ball", "ball"]) == [1, 3]
