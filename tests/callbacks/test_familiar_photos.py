"""Checkpoints keep what training photos are like."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from whysaid.callbacks.familiar_photos import FamiliarPhotos
from whysaid.data.features.familiarity import FEWEST
from whysaid.data.images import Photo, Preprocessing
from whysaid.models.encoders.encoder import Encoder, Regions

NUMBER = FEWEST + 5


class Cells(Encoder):
    """A convolution, and behind it normalisation whose statistics must not move."""

    def __init__(self) -> None:
        super().__init__()
        self.dim, self.grid, self.preprocessing = 4, (2, 2), Preprocessing(8, (0.5,) * 3, (0.5,) * 3)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4))
        self.calls = 0

    def forward(self, images: torch.Tensor) -> Regions:
        self.calls += 1
        return Regions(self.layers(images).flatten(2).transpose(1, 2))


class Stored:
    """Features of a frozen encoder on the disk."""

    def __init__(self, regions: dict[int, torch.Tensor], photos: list[Photo]):
        self.regions = regions
        self.keys = {(photo.id, photo.path): str(photo.id) for photo in photos}

    def mask(self, photos: list[Photo]) -> None:
        return None

    def batch(self, photos: list[Photo]) -> np.ndarray:
        return np.stack([self.regions[photo.id].numpy() for photo in photos])


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    rng = np.random.default_rng(0)
    for i in range(NUMBER):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(tmp_path / f"{i}.png")
    return [Photo(i, tmp_path / f"{i}.png") for i in range(NUMBER)]


def run(photos: list[Photo], encoder: Encoder, features: Stored | None = None, tuned: bool = True) -> Any:
    """A trainer, and its module."""
    data = SimpleNamespace(images=lambda split: photos if split == "train" else [], features=features)
    trainer = SimpleNamespace(datamodule=data, is_global_zero=True, sanity_checking=False)
    return trainer, SimpleNamespace(encoder=encoder, tune_encoder=tuned, device=torch.device("cpu"))


def kept(callback: FamiliarPhotos) -> torch.Tensor | None:
    checkpoint: dict[str, Any] = {}
    callback.on_save_checkpoint(None, None, checkpoint)  # type: ignore[arg-type]
    return checkpoint.get("familiar")


def test_the_mean_over_regions_of_every_photo_is_kept(photos: list[Photo]) -> None:
    encoder, callback = Cells(), FamiliarPhotos(batch_size=7)
    encoder.train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    random = torch.get_rng_state()
    callback.on_validation_end(*run(photos, encoder))
    assert torch.equal(random, torch.get_rng_state()) and all(module.training for module in encoder.modules())
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    encoder.eval()
    pixels = torch.stack([encoder.preprocessing(Image.open(photo.path)) for photo in photos])
    torch.testing.assert_close(kept(callback), encoder(pixels).values.mean(1).detach())


def test_stored_features_stand_in_for_pixels(photos: list[Photo]) -> None:
    encoder, callback = Cells().eval(), FamiliarPhotos()
    regions = {photo.id: torch.randn(4, 4, generator=torch.Generator().manual_seed(photo.id)) for photo in photos}
    callback.on_validation_end(*run(photos, encoder, Stored(regions, photos), tuned=False))
    torch.testing.assert_close(kept(callback), torch.stack([regions[photo.id].mean(0) for photo in photos]))
    assert encoder.calls == 0


@pytest.mark.parametrize(("tuned", "times"), [(True, 2), (False, 1)])
def test_a_frozen_encoder_is_asked_once(photos: list[Photo], tuned: bool, times: int) -> None:
    encoder, callback = Cells(), FamiliarPhotos(batch_size=100)
    for _ in range(2):
        callback.on_validation_end(*run(photos, encoder, tuned=tuned))
    assert encoder.calls == times


def test_a_photo_that_cannot_be_read_is_left_out(photos: list[Photo]) -> None:
    photos[3].path.write_bytes(b"no picture")
    callback = FamiliarPhotos(batch_size=1)
    callback.on_validation_end(*run(photos, Cells()))
    vectors = kept(callback)
    assert vectors is not None and len(vectors) == NUMBER - 1


def test_so_many_photos_are_drawn_the_same_ones_each_time(photos: list[Photo]) -> None:
    encoder, vectors = Cells().eval(), []
    for seed in (0, 0, 1):
        callback = FamiliarPhotos(photos=FEWEST, seed=seed)
        callback.on_validation_end(*run(photos, encoder))
        vectors.append(kept(callback))
    assert len(vectors[0]) == FEWEST and torch.equal(vectors[0], vectors[1]) and not torch.equal(vectors[0], vectors[2])


def test_nothing_is_kept_of_few_photos_or_before_a_validation_or_without_photos(photos: list[Photo]) -> None:
    callback, blind = FamiliarPhotos(), Cells()
    callback.on_validation_end(*run(photos[: FEWEST - 1], Cells()))
    trainer, module = run(photos, Cells())
    trainer.sanity_checking = True
    callback.on_validation_end(trainer, module)
    blind.grid = None
    callback.on_validation_end(*run(photos, blind))
    assert kept(callback) is None
