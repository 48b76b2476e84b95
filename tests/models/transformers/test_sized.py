"""Models of chosen sizes with random weights: what transformers itself computes with the same weights."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
import torch

from tests.models.transformers.tiny import photos
from whysaid.data.vocabulary import END, PAD, START
from whysaid.errors import UserError
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.transformers.sized_blip import BlipVision, SizedBlip
from whysaid.models.transformers.sized_vilt import SizedVilt, ViltPatches

SIDE, WORDS, ANSWERS = 16, 9, 5

BLIP_SIZES = {"embed_dim": 12, "hidden_dim": 24, "layers": 2, "heads": 2, "max_length": 8, "initial_std": 0.3}
VILT_SIZES = {"hidden_dim": 24, "layers": 2, "heads": 2, "max_length": 8, "initial_std": 0.3}


def small_blip() -> SizedBlip:
    torch.manual_seed(0)
    encoder = BlipVision(SIDE, 4, dim=8, hidden_dim=16, layers=2, heads=2, initial_std=0.3)
    return SizedBlip(encoder, WORDS, **BLIP_SIZES).eval().double()  # type: ignore[arg-type]


STEM = {"stem": (6, 8)}


def small_vilt(stem: Mapping[str, Any] = MappingProxyType({})) -> SizedVilt:
    torch.manual_seed(0)
    return SizedVilt(ViltPatches(SIDE, 4, dim=8, **stem), WORDS, ANSWERS, **VILT_SIZES).eval().double()  # type: ignore[arg-type]


@torch.no_grad()
def test_blip_of_chosen_sizes_writes_what_transformers_writes() -> None:
    model, images = small_blip(), photos(3)
    tokens = torch.tensor([[START, 4, 5, 6], [START, 7, 8, 4], [START, 5, 5, 5]])
    theirs = model.pretrained.text_decoder(
        input_ids=tokens, encoder_hidden_states=model.pretrained.vision_model(pixel_values=images).last_hidden_state
    ).logits
    torch.testing.assert_close(model.unroll(tokens, model.encode(images)).logits, theirs, atol=1e-10, rtol=0)
    assert theirs.shape == (3, 4, WORDS) and theirs.std() > 0.01


def test_blip_is_trained_whole() -> None:
    model = small_blip()
    tokens = torch.tensor([[START, 4, 5, END, PAD]])
    model.unroll(tokens, model.encode(photos(1))).logits.square().sum().backward()
    still = {name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()}
    assert not still - {name for name in still if name.endswith(("key.bias", "qkv.bias"))}, still
    theirs = {id(parameter) for parameter in model.pretrained.parameters()}
    assert theirs == {id(parameter) for parameter in model.parameters()}


@torch.no_grad()
@pytest.mark.parametrize("stem", [{}, STEM], ids=["linear", "stem"])
def test_vilt_of_chosen_sizes_answers_as_transformers_does(stem: dict[str, Any]) -> None:
    """With a stem its pictures are what the stem sees."""
    model, images = small_vilt(stem), photos(2)
    pictures = model.encoder.features(images)
    questions = torch.tensor([[4, 5, 6, 7], [8, 4, PAD, PAD]])
    theirs = model.pretrained(
        input_ids=questions,
        attention_mask=(questions != PAD).long(),
        pixel_values=pictures,
        pixel_mask=torch.ones_like(pictures[:, 0]),
    ).logits
    torch.testing.assert_close(model(questions, model.encode(images)), theirs, atol=1e-10, rtol=0)
    assert theirs.shape == (2, ANSWERS) and (theirs[0] - theirs[1]).abs().max() > 1e-3


@pytest.mark.parametrize("stem", [{}, STEM], ids=["linear", "stem"])
def test_vilt_trains_its_patches(stem: dict[str, Any]) -> None:
    model = small_vilt(stem)
    model(torch.tensor([[4, 5]]), model.encode(photos(1))).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.encoder.parameters())


def test_the_stem_starts_from_scenes_cnn() -> None:
    """`encoder_ckpt` gives an encoder the weights of the same names."""
    patches, scenes = ViltPatches(SIDE, 4, dim=8, stem=(6, 8)), ScenesCNN((6, 8), SIDE)
    missing, unexpected = patches.load_state_dict(scenes.state_dict(), strict=False)
    assert not unexpected and not any(name.startswith("features") for name in missing)
    assert patches.features(photos(1).float()).shape == (1, 8, *scenes.grid)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SizedBlip(RegionFeatures(8), WORDS), "choose encoder=blip_vision"),
        (lambda: SizedVilt(RegionFeatures(8), WORDS, ANSWERS), "choose encoder=vilt_patches"),
        (lambda: BlipVision(18, 4), "an image_size that is a multiple of 4, not 18"),
        (lambda: ViltPatches(18, 4), "an image_size that is a multiple of 4, not 18"),
        (lambda: ViltPatches(SIDE, 4, dim=8, stem=(4, 4, 4, 4)), "one place of 8 pixels, which does not divide"),
        (lambda: SizedBlip(BlipVision(SIDE, 4, dim=9, heads=2), WORDS), "heads"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make: object, message: str) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        make()  # type: ignore[operator]
