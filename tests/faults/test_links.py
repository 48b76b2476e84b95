"""Symbolic links in a data set's folder that lead to other files of the machine."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from tests.faults.table import Kind
from whysaid.assemble.own_data import with_own_data
from whysaid.checkpoint import stored_config
from whysaid.data.captions.coco import Coco2017
from whysaid.data.framing import Framing
from whysaid.data.inpainting.datamodule import InpaintingData
from whysaid.data.inpainting.masks import Box
from whysaid.errors import UserError


def moved(path: Path, elsewhere: Path) -> Path:
    """Moves a file or a folder elsewhere."""
    elsewhere.mkdir(exist_ok=True)
    return Path(shutil.move(path, elsewhere / path.name))


def linked(name: str) -> Callable[[Path], None]:
    """What is called so lies elsewhere, and a link in its place."""
    return lambda root: (root / name).symlink_to(moved(root / name, root.parent / "elsewhere"))


def upwards(root: Path) -> None:
    moved(root / "val2017" / "1.png", root.parent / "elsewhere")
    (root / "val2017" / "1.png").symlink_to("../../elsewhere/1.png")


def twice(root: Path) -> None:
    (root / "inner").symlink_to(moved(root / "val2017" / "1.png", root.parent / "elsewhere"))
    (root / "val2017" / "1.png").symlink_to(root / "inner")


def beside(root: Path) -> None:
    (root / "val2017" / "1.png").symlink_to(moved(root / "val2017" / "1.png", root.with_name(root.name + "-private")))


LINKS = Kind(
    "Symbolic links in a data set",
    "One line names the first file that lies elsewhere; nothing of it is shown. `data.follow_links=true` reads such "
    "files, for links that you made yourself.",
    {
        "a photo that lies elsewhere": linked("val2017/1.png"),
        "a photo that lies elsewhere, by a path from here": upwards,
        "a photo that is a link to a link": twice,
        "a photo in a folder whose name begins as the data set's does": beside,
        "a folder of photos that lies elsewhere": linked("val2017"),
        "a file of annotations that lies elsewhere": linked("annotations/captions_val2017.json"),
        "a folder of annotations that lies elsewhere": linked("annotations"),
    },
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set of two photos."""
    folder = tmp_path / "coco"
    for name in ("annotations", "val2017"):
        (folder / name).mkdir(parents=True)
    for name in ("1.png", "2.png"):
        Image.new("RGB", (16, 16)).save(folder / "val2017" / name)
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 16, "width": 16} for i in (1, 2)],
        "annotations": [{"id": i, "image_id": i, "caption": "a dog"} for i in (1, 2)],
    }
    (folder / "annotations" / "captions_val2017.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def photos(root: Path, **settings: Any) -> int:
    """The number of photos in the test split."""
    sizes = {"batch_size": 2, "eval_batch_size": 2}
    data = InpaintingData("coco", str(root), Coco2017(str(root)), Framing(16), Box(), **sizes, **settings)
    return len(data.images("test"))


@LINKS.rows()
def test_a_link_that_leads_out(fault: Callable[[Path], None], root: Path) -> None:
    fault(root)
    with pytest.raises(UserError, match=r"lie elsewhere, behind symbolic links.*data\.follow_links=true"):
        photos(root)
    assert photos(root, follow_links=True) == 2


def test_the_data_set_itself_may_be_a_link(root: Path) -> None:
    root.with_name("link").symlink_to(root)
    assert photos(root.with_name("link")) == 2


def test_a_checkpoint_does_not_choose_to_follow_links(finished: Path) -> None:
    own = stored_config(finished)
    own["data"]["follow_links"] = True
    given: dict[str, Any] = {"root": None, "follow_links": None}
    assert not with_own_data(OmegaConf.create({"data": given}), own).data.follow_links
    assert with_own_data(OmegaConf.create({"data": {**given, "follow_links": True}}), own).data.follow_links


def test_links_within_a_data_set_are_followed(root: Path) -> None:
    (root / "files").mkdir()
    (root / "val2017" / "1.png").symlink_to(Path(shutil.move(root / "val2017" / "1.png", root / "files" / "1.png")))
    assert photos(root) == 2
