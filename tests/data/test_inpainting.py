from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from whysaid.data.framing import Framing
from whysaid.data.images import Photo
from whysaid.data.inpainting.holes import InpaintingDataset, centred, uncentred
from whysaid.data.inpainting.masks import Box
from whysaid.data.sampler import Key
from whysaid.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    rng = np.random.default_rng(0)
    photos = []
    for i in range(4):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(path)
        photos.append(Photo(100 + i, path))
    return photos


def dataset(photos: list[Photo], training: bool, seed: int = 0) -> InpaintingDataset:
    return InpaintingDataset(photos, Framing(24), Box(), training, seed)


KEYS = [Key(0, 1), Key(0, 3)]


def test_shapes_and_ranges(photos: list[Photo]) -> None:
    batch = dataset(photos, training=True)[KEYS]
    assert len(batch) == 2 and batch.image_ids.tolist() == [101, 103]
    assert batch.images.shape == (2, 3, 24, 24) and batch.images.min() >= -1 and batch.images.max() <= 1
    assert batch.masks.shape == (2, 1, 24, 24) and set(batch.masks.unique().tolist()) == {0.0, 1.0}
    assert batch.images.min() < -0.9 and batch.images.max() > 0.9


def same(first: InpaintingDataset, other: InpaintingDataset, keys: list[Key], others: list[Key]) -> tuple[bool, bool]:
    a, b = first[keys], other[others]
    return torch.equal(a.images, b.images), torch.equal(a.masks, b.masks)


def test_draws_are_of_seed_epoch_and_index(photos: list[Photo]) -> None:
    data = dataset(photos, training=True)
    assert same(data, dataset(photos, training=True), KEYS, KEYS) == (True, True)
    assert same(data, data, KEYS, [Key(1, 1), Key(1, 3)]) == (False, False)
    assert same(data, dataset(photos, training=True, seed=1), KEYS, KEYS) == (False, False)
    alone = data[[Key(0, 3)]]
    assert torch.equal(alone.masks[0], data[KEYS].masks[1]), "neighbours in the batch make no difference"


def test_evaluation_is_the_same_in_every_epoch(photos: list[Photo]) -> None:
    data = dataset(photos, training=False)
    assert same(data, data, KEYS, [Key(7, 1), Key(7, 3)]) == (True, True)
    middle = centred(Framing(24).middle(Image.open(photos[1].path)))
    assert torch.equal(data[KEYS].images[0], middle)


def test_unreadable_files_are_replaced_and_named(photos: list[Photo]) -> None:
    photos[1].path.write_bytes(b"no image")
    batch = dataset(photos, training=True)[[Key(0, 1)]]
    assert batch.image_ids.tolist() == [102] and batch.broken == [str(photos[1].path)]
    for photo in photos:
        photo.path.write_bytes(b"no image")
    with pytest.raises(UserError, match="none of 4 images can be read"):
        dataset(photos, training=True)[[Key(0, 1)]]


def test_pixels_there_and_back() -> None:
    pixels = np.arange(0, 240, dtype=np.uint8).reshape(10, 8, 3)
    images = centred(Image.fromarray(pixels))
    assert images.shape == (3, 10, 8) and images[0, 0, 0] == -1
    torch.testing.assert_close(uncentred(images) * 255, torch.from_numpy(pixels).permute(2, 0, 1).float())
