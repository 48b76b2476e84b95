"""From files to batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from whysaid.assemble.features import seen_by
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.features.featured import ModelInputs
from whysaid.data.images import Preprocessing, load_image
from whysaid.data.sampler import Key
from whysaid.data.vocabulary import END, PAD, START
from whysaid.errors import UserError
from whysaid.models.encoders.scenes_cnn import ScenesCNN

COUNTS = {"train": 9, "val": 3, "test": 4}
SIZE = 16
NUMBERS = ("one", "two", "three", "four")


class Pictures:
    """Plain pictures, each with four captions that say which it is; the first of a split has two."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        for split in COUNTS:
            for image in self.read(split):
                pixels = np.full((SIZE, SIZE, 3), image.id % 256, np.uint8)
                Image.fromarray(pixels).save(image.path)

    def read(self, split: str) -> list[CaptionedImage]:
        first = {"train": 100, "val": 200, "test": 300}[split]
        return [
            CaptionedImage(
                first + i,
                self.folder / f"{first + i}.png",
                tuple(f"picture {number}" + " of many" * n for n, number in enumerate(NUMBERS[: 2 if i == 0 else 4])),
            )
            for i in range(COUNTS[split])
        ]


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path / "pictures")


def made(pictures: Pictures, **settings: Any) -> CaptionData:
    folder = pictures.folder
    whole = {"min_count": 1, "captions_per_image": 3, "batch_size": 4, "eval_batch_size": 2, **settings}
    return CaptionData("pictures", str(folder), pictures, str(folder.parent / "cache"), **whole)


def on_pixels(pictures: Pictures, **settings: Any) -> CaptionData:
    return made(pictures, **settings).for_model(ModelInputs(Preprocessing(SIZE, (0.0,) * 3, (1.0,) * 3)))


def encoder(seed: int = 0) -> ScenesCNN:
    torch.manual_seed(seed)
    return ScenesCNN(widths=(4, 6), image_size=SIZE).eval()


def test_batches_of_pixels(pictures: Pictures) -> None:
    data = on_pixels(pictures)
    batches = list(data.loader("train"))
    assert len(batches) == 2  # of 4; the ninth is left for another epoch
    assert len({i for batch in batches for i in batch.image_ids.tolist()}) == 8
    for batch in batches:
        assert batch.images.shape == (4, 3, SIZE, SIZE) and batch.regions is None and batch.broken == []
        values = (batch.images[:, 0, 0, 0] * 255).round().int().tolist()
        assert values == batch.image_ids.tolist()


def test_evaluation_sees_every_image_in_order_with_all_captions(pictures: Pictures) -> None:
    batches = list(on_pixels(pictures).loader("test"))
    assert [batch.image_ids.tolist() for batch in batches] == [[300, 301], [302, 303]]
    assert all(batch.captions.shape[1] == 4 for batch in batches)


def test_captions_are_padded_in_length_and_number(pictures: Pictures) -> None:
    data = on_pixels(pictures)
    (batch, _) = data.loader("test")
    words = data.vocabulary
    first = batch.captions[0]
    assert [words.decode(row.tolist()) for row in first[:2]] == [["picture", "one"], ["picture", "two", "of", "many"]]
    assert (first[:, 0] == torch.tensor([START, START, PAD, PAD])).all()
    assert (first[2:] == PAD).all()
    shortest = first[0].tolist()
    assert shortest.index(END) == 3 and set(shortest[4:]) == {PAD}


def test_captions_are_cut(pictures: Pictures) -> None:
    data = on_pixels(pictures, max_words=3)
    (batch, _) = data.loader("test")
    assert batch.captions.shape[2] <= 5  # <start>, three words, <end> where the caption has no more
    whole = on_pixels(pictures).loader("test")
    (reference, *_) = whole
    longer = (reference.captions != PAD).sum(2) > 5
    assert longer.any()
    assert not (batch.captions[longer] == END).any()


def drawn(data: CaptionData, epoch: int, index: int) -> tuple[tuple[int, ...], ...]:
    batch = data.dataset("train")[[Key(epoch, index)]]
    return tuple(tuple(row) for row in batch.captions[0].tolist())


def test_which_captions_are_drawn_depends_on_seed_epoch_and_index_alone(pictures: Pictures) -> None:
    data = on_pixels(pictures)
    torch.manual_seed(0)
    first = [drawn(data, epoch, 3) for epoch in range(8)]
    torch.manual_seed(1)
    np.random.seed(1)
    assert [drawn(on_pixels(pictures), epoch, 3) for epoch in range(8)] == first
    assert all(len(set(captions)) == 3 for captions in first)
    assert len({frozenset(captions) for captions in first}) > 1
    assert [drawn(on_pixels(pictures, seed=1), epoch, 3) for epoch in range(8)] != first
    alone = data.dataset("train")[[Key(5, 3)]].captions[0]
    among = data.dataset("train")[[Key(5, 7), Key(5, 3)]].captions[1]
    assert alone.tolist() == among[:, : alone.shape[1]].tolist()


def test_cached_features_stand_in_for_pixels(pictures: Pictures) -> None:
    data = seen_by(encoder(), made(pictures, cache_features=True))
    (batch, _) = data.loader("test")
    assert batch.images is None and batch.mask is None and batch.regions.dtype == torch.float16
    (pixels, _) = on_pixels(pictures).loader("test")
    normalised = (pixels.images - 0.5) / 0.5
    with torch.no_grad():
        expected = encoder()(normalised).values
    torch.testing.assert_close(batch.regions.float(), expected, atol=2e-3, rtol=2e-3)
    assert batch.captions.equal(pixels.captions)


def test_features_are_computed_once_and_anew_for_another_encoder(pictures: Pictures) -> None:
    for _ in range(2):
        data = seen_by(encoder(), made(pictures, cache_features=True))
    (folder,) = data.cache_dir.glob("features-*")
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*.f16")}
    other = seen_by(encoder(seed=1), made(pictures, cache_features=True))
    assert len(list(data.cache_dir.glob("features-*"))) == 2
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.f16")} == written
    (a, _), (b, _) = data.loader("test"), other.loader("test")
    assert not a.regions.equal(b.regions)


def test_features_are_of_the_picture_and_not_of_its_number(tmp_path: Path) -> None:
    """Two data sets of one name with the same ids, whose splits share ids too, and a picture that is replaced."""

    class Renumbered(Pictures):
        def __init__(self, folder: Path, shade: int):
            self.shade = shade
            super().__init__(folder)
            for split in COUNTS:
                for image in self.read(split):
                    pixels = np.full((SIZE, SIZE, 3), (7 * image.id + shade + len(split) * 50) % 256, np.uint8)
                    Image.fromarray(pixels).save(image.path)

        def read(self, split: str) -> list[CaptionedImage]:
            captions = ("picture one", "picture two")
            (self.folder / split).mkdir(exist_ok=True)
            return [CaptionedImage(i, self.folder / split / f"{i}.png", captions) for i in range(COUNTS[split])]

    def regions_match_pixels(pictures: Pictures) -> None:
        data = seen_by(encoder(), made(pictures, cache_features=True))
        for split in COUNTS:
            images = data.images(split)
            batch = data.dataset(split)[[Key(0, i) for i in range(len(images))]]
            pixels = torch.stack([encoder().preprocessing(load_image(image.path)) for image in images])
            torch.testing.assert_close(batch.regions.float(), encoder()(pixels).values, rtol=2e-3, atol=2e-3)

    first, second = Renumbered(tmp_path / "first", 0), Renumbered(tmp_path / "second", 99)
    for pictures in (first, second, first):
        regions_match_pixels(pictures)
    path = first.read("val")[1].path
    path.write_bytes(second.read("test")[2].path.read_bytes())
    regions_match_pixels(first)


@pytest.mark.parametrize("lost", ["index.json", "00000.f16"])
def test_a_cache_that_lost_a_file_is_filled_again(pictures: Pictures, lost: str) -> None:
    data = seen_by(encoder(), made(pictures, cache_features=True))
    (before, _) = data.loader("test")
    (path,) = data.cache_dir.glob(f"features-*/{lost}")
    path.unlink()
    (after, _) = seen_by(encoder(), made(pictures, cache_features=True)).loader("test")
    assert after.regions.equal(before.regions)


def test_limits(pictures: Pictures) -> None:
    data = on_pixels(pictures, limits={"train": 5, "test": 1})
    assert [len(data.images(split)) for split in COUNTS] == [5, 3, 1]
    assert list(data.references("test")) == [300]


def test_order_follows_the_epoch_and_every_worker_count_gives_the_same(pictures: Pictures) -> None:
    def epochs(workers: int) -> list[list[int]]:
        loader = on_pixels(pictures, num_workers=workers).loader("train")
        orders = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            orders.append([i for batch in loader for i in batch.image_ids.tolist()])
        return orders

    alone = epochs(0)
    assert alone[0] != alone[1] and epochs(2) == alone


def test_loading_draws_from_no_global_generator(pictures: Pictures) -> None:
    for workers in (0, 1):
        loader = on_pixels(pictures, num_workers=workers).loader("val")
        torch.manual_seed(0)
        list(loader)
        after = torch.rand(1)
        torch.manual_seed(0)
        assert torch.rand(1) == after


def test_an_unreadable_picture_is_replaced_by_the_next(pictures: Pictures, caplog: pytest.LogCaptureFixture) -> None:
    broken = pictures.read("test")[1].path
    broken.write_bytes(b"no picture")
    data = on_pixels(pictures, max_broken=0.3)
    batches = [data.on_before_batch_transfer(batch, 0) for _ in range(2) for batch in data.loader("test")]
    assert batches[0].image_ids.tolist() == [300, 302] and batches[0].broken == [str(broken)]
    assert batches[0].captions[1].equal(batches[1].captions[0])
    assert [record.message for record in caplog.records] == [f"{broken} cannot be read; another image stands in for it"]


def test_more_unreadable_pictures_than_allowed(pictures: Pictures) -> None:
    pictures.read("test")[1].path.write_bytes(b"no picture")
    data = on_pixels(pictures, max_broken=0.05)
    with pytest.raises(UserError, match=r"1 of 13 images cannot be read, more than data\.max_broken=0\.05"):
        for batch in data.loader("test"):
            data.on_before_batch_transfer(batch, 0)


def test_unreadable_pictures_leave_the_splits_of_cached_features(pictures: Pictures) -> None:
    pictures.read("train")[2].path.write_bytes(b"no picture")
    data = seen_by(encoder(), made(pictures, cache_features=True, max_broken=0.1))
    assert [image.id for image in data.images("train")] == [100, 101, *range(103, 109)]
    strict = made(pictures, cache_features=True)
    with pytest.raises(UserError, match="1 of 16 images cannot be read"):
        seen_by(encoder(), strict)


def test_no_picture_can_be_read(pictures: Pictures) -> None:
    for image in pictures.read("val"):
        image.path.write_bytes(b"")
    with pytest.raises(UserError, match="none of 3 images can be read"):
        list(on_pixels(pictures).loader("val"))


def test_an_unknown_split(pictures: Pictures) -> None:
    with pytest.raises(UserError, match="there is no split 'dev': choose one of train, val, test"):
        made(pictures).images("dev")
