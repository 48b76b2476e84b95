from typing import Any

import numpy as np
import pytest
import torch

from tests.attribution.tiny import captioner, captions, lrp, photos
from whysaid.attribution.method import Explanation
from whysaid.attribution.sentence import Sentence, explain_sentence, image_maps, said_tokens, to_photo
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import END, SPECIALS, Vocabulary
from whysaid.errors import UserError
from whysaid.models.encoders.scenes_cnn import ScenesCNN

MODEL = captioner("adaptive", ScenesCNN((4, 6), 8).double())


def sentence(**beside: np.ndarray) -> Sentence:
    images = photos(8)[:1]
    batch = CaptionBatch(torch.zeros(1), torch.zeros(1, 1, 2), images)
    said = ["w"] * 4
    return Sentence(batch, Targets(captions()[:1]), said, ["<start>", *said[:-1]], [1, 2, 3, 4], beside)


class Giving:
    """A method that finds what it is told."""

    def __init__(self, pixels: torch.Tensor, words: torch.Tensor | None = None):
        self.found = Explanation(
            pixels, torch.zeros(1, 4, 16), words if words is not None else torch.zeros(1, 4, 4), torch.zeros(1, 4)
        )

    def attribute(self, *_: Any) -> Explanation:
        return self.found


def test_numbers_are_those_of_the_method() -> None:
    given = sentence()
    (found,) = explain_sentence(MODEL, given, {"lrp": lrp()}, (8, 8)).values()
    expected = lrp().attribute(MODEL, given.batch, given.targets)
    assert expected.pixels is not None and found.words is not None and found.residual is not None
    np.testing.assert_allclose(found.maps, expected.pixels[0].sum(1), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.words, expected.words[0], rtol=1e-5)
    np.testing.assert_allclose(found.residual, expected.residual[0], rtol=1e-4)
    assert found.signed and found.reads


def test_what_the_model_gives_itself_goes_first_and_in_place_of_a_method() -> None:
    attention = np.ones((4, 4, 4), np.float32)
    method = Giving(torch.zeros(1, 4, 1, 8, 8))
    found = explain_sentence(MODEL, sentence(attention=attention), {"zero": method, "attention": method}, (6, 9))
    assert list(found) == ["attention", "zero"]
    np.testing.assert_allclose(found["attention"].maps, np.ones((4, 6, 9)), rtol=1e-6)
    assert not found["attention"].signed and found["attention"].words is None and not found["zero"].reads


def test_a_method_keeps_its_colours_where_nothing_speaks_against_a_word() -> None:
    class Unsigned(Giving):
        signed = False

    maps = torch.ones(1, 4, 3, 8, 8)
    found = explain_sentence(MODEL, sentence(), {"lrp": Giving(maps), "saliency": Unsigned(maps)}, (8, 8))
    assert {name: one.signed for name, one in found.items()} == {"lrp": True, "saliency": False}


@pytest.mark.parametrize("part", ["pixels", "words"])
def test_what_is_not_finite_is_an_error(part: str) -> None:
    pixels, words = torch.zeros(1, 4, 3, 8, 8), torch.zeros(1, 4, 4)
    {"pixels": pixels[0, 2, 0, 0], "words": words[0, 2]}[part][1] = torch.nan
    with pytest.raises(UserError, match="what broken finds for 'w' is not finite"):
        explain_sentence(MODEL, sentence(), {"broken": Giving(pixels, words)}, (8, 8))


def test_a_map_is_put_back_on_the_photo_that_was_squashed() -> None:
    """Cell (1, 3) of 4 × 4 is the middle of its own part of a wide photo, and values are kept."""
    maps = np.zeros((2, 4, 4))
    maps[0, 1, 3], maps[1] = 2.0, -0.5
    wide = to_photo(maps, (40, 120))
    assert wide.shape == (2, 40, 120) and wide.dtype == np.float32
    assert np.unravel_index(wide[0].argmax(), wide[0].shape)[0] in range(13, 17)
    assert wide[0, 15, 105] == pytest.approx(2, rel=0.15)
    assert wide[0, :, :60].max() == 0
    np.testing.assert_allclose(wide[1], -0.5)


def test_a_smaller_map_averages() -> None:
    stripes = np.tile([0.0, 0.0, 0.0, 1.0], (1, 64, 16))
    np.testing.assert_allclose(to_photo(stripes, (8, 8)), 0.25, atol=0.05)


def test_relevance_of_colours_is_added() -> None:
    pixels = torch.arange(12.0).reshape(1, 1, 3, 2, 2)
    explanation = Explanation(pixels, torch.zeros(1, 1, 4), torch.zeros(1, 1, 1), torch.zeros(1, 1))
    np.testing.assert_array_equal(image_maps(explanation, None), [[[[12, 15], [18, 21]]]])


def test_without_pixels_regions_lie_on_the_grid() -> None:
    explanation = Explanation(None, torch.arange(6.0).reshape(1, 1, 6), torch.zeros(1, 1, 1), torch.zeros(1, 1))
    np.testing.assert_array_equal(image_maps(explanation, (2, 3)), [[[[0, 1, 2], [3, 4, 5]]]])
    with pytest.raises(UserError, match="without a grid"):
        image_maps(explanation, None)


def test_captions_of_different_lengths() -> None:
    vocabulary = Vocabulary([*SPECIALS, "a", "dog"])
    tokens = said_tokens([["a", "dog", "zebra"], ["dog"], []], vocabulary)
    assert tokens.tolist() == [[4, 5, 3], [5, END, END], [END, END, END]]
