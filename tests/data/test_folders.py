import os
from pathlib import Path

import pytest
from PIL import Image

from whysaid.data.files.folder import visible_files
from whysaid.data.inpainting.folders import CelebA, ImageFolder
from whysaid.errors import UserError

FACES = Path(__file__).parents[3] / "shared/data/celeba_small"


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def test_a_divided_folder(tmp_path: Path) -> None:
    for name in ("train/b.png", "train/deep/a.jpg", "val/c.png", "test/d.PNG"):
        write(tmp_path / name)
    (tmp_path / "train/notes.txt").write_text("no image")
    folder = ImageFolder(str(tmp_path))
    assert [photo.path.name for photo in folder.read("train")] == ["b.png", "a.jpg"]
    assert [photo.path.name for photo in folder.read("val")] == ["c.png"]
    assert [photo.id for photo in folder.read("train")] == [0, 1]
    assert len(folder.read("test")) == 1


def test_an_undivided_folder_is_split_by_name(tmp_path: Path) -> None:
    for i in range(60):
        write(tmp_path / f"{i}.png")
    folder = ImageFolder(str(tmp_path), val=0.2, test=0.2)
    splits = {split: {photo.path.name for photo in folder.read(split)} for split in ("train", "val", "test")}
    assert sum(map(len, splits.values())) == 60 and len(set.union(*splits.values())) == 60
    assert 4 <= len(splits["val"]) <= 20 and 4 <= len(splits["test"]) <= 20
    write(tmp_path / "another.png")
    for split, names in splits.items():
        assert names <= {photo.path.name for photo in folder.read(split)}


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / ".hidden"
    for name in ("a.png", "._a.png", ".cache/b.png", "deep/.thumbs/c.png", "deep/d.png", "deep/._d.png"):
        write(root / name)
    (root / "e.png").mkdir()
    assert [photo.path.name for photo in ImageFolder(str(root), val=0, test=0).read("train")] == ["a.png", "d.png"]
    assert visible_files(root) == [root / "a.png"]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    write(tmp_path / name)
    assert [photo.path.name for photo in ImageFolder(str(tmp_path), val=0, test=0).read("train")] == [name]


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        ImageFolder(str(tmp_path / "nowhere")).read("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no image for the train split"):
        ImageFolder(str(tmp_path / "empty")).read("train")


def faces(tmp_path: Path, text: str) -> CelebA:
    (tmp_path / "list_eval_partition.txt").write_text(text)
    return CelebA(str(tmp_path))


def test_the_published_partition(tmp_path: Path) -> None:
    source = faces(tmp_path, "000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n000004.jpg 0\n")
    assert [(photo.id, photo.path.name) for photo in source.read("train")] == [(1, "000001.jpg"), (4, "000004.jpg")]
    assert [photo.path for photo in source.read("val")] == [tmp_path / "img_align_celeba/000003.jpg"]
    assert [photo.id for photo in source.read("test")] == [2]


@pytest.mark.parametrize("line", ["000001.jpg", "000001.jpg 3", "../secret.jpg 0", "a b c"])
def test_bad_partitions(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"line 2 of .*list_eval_partition\.txt"):
        faces(tmp_path, f"000001.jpg 0\n{line}\n").read("train")


def test_a_missing_partition(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"src\.prepare data=celeba"):
        CelebA(str(tmp_path)).read("train")


@pytest.mark.skipif(not FACES.exists(), reason="needs ../shared/data/celeba_small")
def test_real_faces() -> None:
    source = CelebA(str(FACES))
    assert [len(source.read(split)) for split in ("train", "val", "test")] == [1600, 200, 200]
    assert all(photo.path.is_file() for photo in source.read("test"))
