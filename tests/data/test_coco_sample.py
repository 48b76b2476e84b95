"""A sample of COCO, from a server on this machine: photos one by one, and the annotations that belong to them."""

import hashlib
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from hydra.utils import instantiate
from PIL import Image

from tests.data.server import Publisher, published
from tests.running import composed
from whysaid.data.captions.coco import Coco2017
from whysaid.data.files.acquire import Archive
from whysaid.data.files.coco_sample import CocoSample, sample_ids
from whysaid.errors import UserError

IDS = {"train2017": [1, 2, 3], "val2017": [7]}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def jpeg(photo: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8 + photo, 6), (photo, 20, 30)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes]:
    """Ten photos and their annotations, as they are published."""
    path = tmp_path / "annotations.zip"
    with ZipFile(path, "w") as archive:
        for folder, ids in (("train2017", range(1, 6)), ("val2017", range(6, 11))):
            images = [{"id": i, "file_name": f"{i:012d}.jpg"} for i in ids]
            for kind, extra in (("captions", {"caption": "a dog"}), ("instances", {"bbox": [0, 0, 1, 1]})):
                annotations = [{"id": 10 * i, "image_id": i, **extra} for i in ids]
                archive.writestr(
                    f"annotations/{kind}_{folder}.json",
                    json.dumps({"info": {}, "images": images, "annotations": annotations}),
                )
    photos = {f"/{folder}/{i:012d}.jpg": jpeg(i) for folder, ids in IDS.items() for i in ids}
    return {"/annotations.zip": path.read_bytes(), **photos}


def sample(root: Path, server: Publisher) -> CocoSample:
    provides = [f"annotations/{kind}_{folder}.json" for kind in ("captions", "instances") for folder in IDS]
    archive = Archive(server.url("/annotations.zip"), len(server.files["/annotations.zip"]), provides)
    return CocoSample(str(root), archive, server.url(""), IDS, connections=2)


def test_the_sample_is_laid_out_as_coco_is(tmp_path: Path, content: dict[str, bytes]) -> None:
    root = tmp_path / "sample"
    with published(content) as server:
        sample(root, server).fetch()
        requests = len(server.asked)
        sample(root, server).fetch()
        assert len(server.asked) == requests == 5, "what is there is not asked for again"
    assert {path.name for path in root.iterdir()} == {"annotations", "train2017", "val2017", ".lock"}
    images = Coco2017(str(root), None, 1).read("train")
    assert len(images) == 2 and images[0].path.read_bytes() == jpeg(images[0].id)
    assert [image.id for image in Coco2017(str(root), None, 1).read("test")] == [7]
    boxes = json.loads((root / "annotations" / "instances_train2017.json").read_text())
    assert {box["image_id"] for box in boxes["annotations"]} == {1, 2, 3}


def test_a_broken_connection_is_taken_up_again(tmp_path: Path, content: dict[str, bytes]) -> None:
    with published(content) as server:
        server.breaks = [100, len(content["/annotations.zip"]), 10, 10]
        sample(tmp_path / "sample", server).fetch()
    assert len(list((tmp_path / "sample").glob("*2017/*.jpg"))) == 4


def test_a_photo_of_another_sum_is_not_kept(tmp_path: Path, content: dict[str, bytes]) -> None:
    first = "/train2017/000000000001.jpg"
    with published(content) as server:
        server.tags = {first: hashlib.md5(b"another").hexdigest()}
        with pytest.raises(UserError, match=r"000000000001.jpg came damaged"):
            sample(tmp_path / "sample", server).fetch()
        assert not (tmp_path / "sample" / first[1:]).exists()
        server.tags = {first: hashlib.md5(content[first]).hexdigest()}
        sample(tmp_path / "sample", server).fetch()
    assert (tmp_path / "sample" / first[1:]).read_bytes() == content[first]


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [("/val2017/000000000007.jpg", None, "answers 404"), ("/val2017/000000000007.jpg", b"no", "cannot be read")],
)
def test_what_is_missing_or_no_photo_is_one_line(
    tmp_path: Path, content: dict[str, bytes], path: str, given: bytes | None, message: str
) -> None:
    content = {name: value for name, value in content.items() if name != path}
    files = content | ({} if given is None else {path: given})
    with published(files) as server, pytest.raises(UserError, match=message):
        sample(tmp_path / "sample", server).fetch()
    assert not list((tmp_path / "sample" / "val2017").iterdir())


def test_the_ids_are_those_of_the_photos_that_results_are_of() -> None:
    ids = sample_ids()
    assert {folder: len(set(photos)) for folder, photos in ids.items()} == {"train2017": 2627, "val2017": 400}
    held = Path(__file__).parents[3] / "shared" / "data" / "coco_small"
    for folder, photos in ids.items():
        if (held / folder).is_dir():
            assert {int(path.stem) for path in (held / folder).glob("*.jpg")} == set(photos)


def test_prepare_names_it(tmp_path: Path) -> None:
    config = composed("prepare", tmp_path, "data=coco_sample", f"paths.data_dir={tmp_path}")
    files = instantiate(config.files)
    assert isinstance(files, CocoSample) and files.root == tmp_path / "coco_sample"
