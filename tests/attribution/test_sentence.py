from typing import Any

import numpy as np
import pytest
import torch

from tests.attribution.tiny import captioner, captions, lrp, photos
from whysaid.attribution.gradient.grad_cam import GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.simple import InputXGradient, Saliency
from whysaid.attribution.gradient.smooth import SmoothGrad
from whysaid.attribution.looking.attention import Attention
from whysaid.attribution.method import Explanation, adds_up, speaks_against
from whysaid.attribution.sentence import Sentence, explain_sentence, image_maps, said_tokens, to_photo
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import END, SPECIALS, Vocabulary
from whysaid.errors import UserError
from whysaid.models.encoders.regions import RegionFeatures
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
        self.explanation = Explanation(
            pixels, torch.zeros(1, 4, 16), words if words is not None else torch.zeros(1, 4, 4), torch.zeros(1, 4)
        )

    def attribute(self, *_: Any) -> Explanation:
        return self.explanation


def test_numbers_are_those_of_the_method() -> None:
    explained = sentence()
    (method_maps,) = explain_sentence(MODEL, explained, {"lrp": lrp()}, (8, 8)).values()
    expected = lrp().attribute(MODEL, explained.batch, explained.targets)
    assert expected.pixels is not None and method_maps.words is not None and method_maps.residual is not None
    np.testing.assert_allclose(method_maps.maps, expected.pixels[0].sum(1), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(method_maps.words, expected.words[0], rtol=1e-5)
    np.testing.assert_allclose(method_maps.residual, expected.residual[0], rtol=1e-4)
    assert method_maps.signed and method_maps.reads


def test_what_the_model_gives_itself_goes_first_and_in_place_of_a_method() -> None:
    attention = np.ones((4, 4, 4), np.float32)
    method = Giving(torch.zeros(1, 4, 1, 8, 8))
    all_maps = explain_sentence(MODEL, sentence(attention=attention), {"zero": method, "attention": method}, (6, 9))
    assert list(all_maps) == ["attention", "zero"]
    np.testing.assert_allclose(all_maps["attention"].maps, np.ones((4, 6, 9)), rtol=1e-6)
    assert not all_maps["attention"].signed and all_maps["attention"].words is None and not all_maps["zero"].reads


def test_a_method_keeps_its_colours_where_nothing_speaks_against_a_word() -> None:
    class Unsigned(Giving):
        signed = False

    maps = torch.ones(1, 4, 3, 8, 8)
    all_maps = explain_sentence(MODEL, sentence(), {"lrp": Giving(maps), "saliency": Unsigned(maps)}, (8, 8))
    assert {name: method_maps.signed for name, method_maps in all_maps.items()} == {"lrp": True, "saliency": False}


def test_of_methods_whose_sign_means_nothing_the_magnitude_is_shown() -> None:
    class Unsigned(Giving):
        signed = False

    pixels = torch.ones(1, 4, 3, 8, 8)
    pixels[:, :, 1] = -2
    words = torch.tensor([[1.0, 0, 0, 0], [-1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, -3]])[None]
    both = {"lrp": Giving(pixels, words), "guided": Unsigned(pixels, words)}
    signed, unsigned = explain_sentence(MODEL, sentence(), both, (8, 8)).values()
    np.testing.assert_allclose(signed.maps, np.zeros((4, 8, 8)), atol=1e-6)
    np.testing.assert_allclose(unsigned.maps, 4 * np.ones((4, 8, 8)), rtol=1e-6)
    np.testing.assert_allclose(signed.words, words[0])
    np.testing.assert_allclose(unsigned.words, words[0].abs())
    methods = DeconvNet(), GuidedBackprop(), GuidedGradCam(), SmoothGrad(), Saliency(), lrp(), InputXGradient()
    assert [speaks_against(method) for method in methods] == [False] * 5 + [True] * 2


def test_shares_of_words_and_of_the_image() -> None:
    class Adding(Giving):
        parts_of_score = True

    pixels, words = torch.zeros(1, 4, 3, 8, 8), torch.zeros(1, 4, 4)
    pixels[0, 0, :, 0, 0], pixels[0, 1, 0, 0, :2], words[0, 1, 0] = 1.0, torch.tensor([-2.0, 1.0]), -2.0
    both = {"lrp": Adding(pixels, words), "saliency": Giving(pixels, words)}
    adding, other = explain_sentence(MODEL, sentence(), both, (16, 16)).values()
    assert adding.shares is not None and other.shares is not None
    np.testing.assert_allclose(adding.shares, np.array([[3, 0], [3, 2], [0, 0], [0, 0]]) / 8)
    np.testing.assert_allclose(other.shares, np.array([[3], [3], [0], [0]]) / 6)
    assert [adds_up(method) for method in (lrp(), InputXGradient(), Saliency())] == [True, True, False]


def test_attention_knows_what_uniform_is() -> None:
    beside = explain_sentence(MODEL, sentence(attention=np.ones((4, 2, 8), np.float32)), {}, (8, 8))["attention"]
    assert beside.uniform == 1 / 16 and beside.shares is None
    (by_method,) = explain_sentence(MODEL, sentence(), {"mine": Attention()}, (8, 8)).values()
    assert by_method.uniform == 1 / 16
    (relevance,) = explain_sentence(MODEL, sentence(), {"lrp": lrp()}, (8, 8)).values()
    assert relevance.uniform is None


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
    np.testing.assert_array_equal(image_maps(explanation, RegionFeatures(4)), [[[[12, 15], [18, 21]]]])


def test_without_pixels_regions_lie_on_the_grid() -> None:
    explanation = Explanation(None, torch.arange(6.0).reshape(1, 1, 6), torch.zeros(1, 1, 1), torch.zeros(1, 1))
    encoder = RegionFeatures(4)
    with pytest.raises(UserError, match="without a grid"):
        image_maps(explanation, encoder)
    encoder.grid = (2, 3)
    np.testing.assert_array_equal(image_maps(explanation, encoder), [[[[0, 1, 2], [3, 4, 5]]]])
    encoder.prefix_tokens, encoder.grid = 2, (2, 2)
    np.testing.assert_array_equal(image_maps(explanation, encoder), [[[[2, 3], [4, 5]]]])


def test_captions_of_different_lengths() -> None:
    vocabulary = Vocabulary([*SPECIALS, "a", "dog"])
    tokens = said_tokens([["a", "dog", "zebra"], ["dog"], []], vocabulary)
    assert tokens.tolist() == [[4, 5, 3], [5, END, END], [END, END, END]]
