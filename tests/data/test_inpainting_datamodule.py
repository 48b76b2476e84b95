from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.running import COUNTS, SIZE
from whysaid.data.framing import Framing
from whysaid.data.inpainting.datamodule import InpaintingData
from whysaid.data.inpainting.folders import ImageFolder
from whysaid.data.inpainting.masks import Box, Objects
from whysaid.data.scenes.removed import RemovedObjects
from whysaid.data.scenes.source import Scenes
from whysaid.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("val", 4), ("test", 5)):
        (tmp_path / split).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / split / f"{i}.png")
    return tmp_path


def data(folder: Path, **settings) -> InpaintingData:
    settings = {"batch_size": 4, "eval_batch_size": 3, **settings}
    return InpaintingData("folder", str(folder), ImageFolder(str(folder)), Framing(16), Box(), **settings)


def test_batches_of_each_split(folder: Path) -> None:
    module = data(folder)
    assert [len(batch) for batch in module.train_dataloader()] == [4, 4]
    assert [len(batch) for batch in module.val_dataloader()] == [3, 1]
    (loader,) = module.test_dataloader()
    assert [batch.image_ids.tolist() for batch in loader] == [[0, 1, 2], [3, 4]]


def test_any_split_may_be_tested_and_limited(folder: Path) -> None:
    module = data(folder, limits={"val": 2}, evaluated="val")
    (loader,) = module.test_dataloader()
    assert [batch.image_ids.tolist() for batch in loader] == [[0, 1]]


def test_workers_draw_what_the_main_process_draws(folder: Path) -> None:
    alone, helped = (list(data(folder, num_workers=n).train_dataloader()) for n in (0, 1))
    for a, b in zip(alone, helped, strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.masks, b.masks)


def test_training_is_mirrored_cropped_and_holed_anew(folder: Path) -> None:
    loader = data(folder, num_workers=0).train_dataloader()
    first = {int(i): x for batch in loader for i, x in zip(batch.image_ids, batch.images, strict=True)}
    loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
    second = {int(i): x for batch in loader for i, x in zip(batch.image_ids, batch.images, strict=True)}
    assert any(not torch.equal(first[i], second[i]) for i in first.keys() & second.keys())


def test_removed_objects_are_a_second_test_set(data_dir: Path) -> None:
    source = Scenes(str(data_dir / "scenes"), size=SIZE, counts=COUNTS)
    module = InpaintingData(
        "scenes",
        source.root,  # type: ignore[arg-type]
        source,
        Framing(32),
        Box(),
        removed=partial(RemovedObjects, limit=5),
        batch_size=4,
        eval_batch_size=4,
    )
    holes, removed = module.test_dataloader()
    assert next(iter(holes)).images.shape == (4, 3, 32, 32)
    assert [batch.images.shape for batch in removed] == [(4, 3, SIZE, SIZE), (1, 3, SIZE, SIZE)]


def test_too_many_broken_files(folder: Path) -> None:
    (folder / "train/3.png").write_bytes(b"no image")
    module = data(folder, max_broken=0.05)
    with pytest.raises(UserError, match="1 of 10 images cannot be read"):
        for batch in module.train_dataloader():
            module.on_before_batch_transfer(batch, 0)


def test_outlines_are_read_before_workers_start(folder: Path) -> None:
    class Lazy(list):
        asked = 0

        def __len__(self) -> int:
            Lazy.asked += 1
            return super().__len__()

    module = data(folder)
    module.masks = Objects(Lazy([np.ones((4, 4), bool)]))
    module.dataset("train")
    assert Lazy.asked == 1
