from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from tests.data.server import Publisher, published
from tests.data.test_archive import FILES, files_in, zipped
from whysaid.data.files.acquire import Archive, Files
from whysaid.errors import UserError
from whysaid.run.conf import CONF


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def content(tmp_path) -> bytes:
    return zipped(tmp_path / "published.zip").read_bytes()


def photos(server: Publisher, content: bytes) -> Archive:
    return Archive(server.url("/zips/photos.zip"), len(content), ["photos", "notes.txt"])


def test_brings_all_once(tmp_path, content):
    root = tmp_path / "set"
    with published({"/zips/photos.zip": content}) as server:
        files = Files(str(root), [photos(server, content)])
        files.fetch()
        assert {name: FILES[name] for name in ("photos/1.jpg", "photos/2.jpg", "notes.txt")}.items() <= files_in(
            root
        ).items()
        assert not list(root.glob("*.zip*"))
        files.fetch()
        assert server.asked == [None]


def test_an_unfinished_unpacking_is_finished_without_a_request(tmp_path, content):
    root = tmp_path / "set"
    (root / "photos").mkdir(parents=True)
    (root / "notes.txt").write_bytes(FILES["notes.txt"])
    (root / "photos.zip").write_bytes(content)  # as a killed run, or a person, leaves it
    with published({}) as server:
        Files(str(root), [photos(server, content)]).fetch()
        assert server.asked == []
    assert (root / "photos/2.jpg").read_bytes() == FILES["photos/2.jpg"]
    assert not (root / "photos.zip").exists()


def test_a_root_that_has_its_files_is_not_touched(tmp_path, content):
    root = tmp_path / "set"
    (root / "photos").mkdir(parents=True)
    (root / "notes.txt").write_bytes(b"my own")
    with published({"/zips/photos.zip": content}) as server:
        Files(str(root), [photos(server, content)]).fetch()
        assert server.asked == []
    assert files_in(root) == {"notes.txt": b"my own"}


def test_what_a_person_has_to_bring_is_named(tmp_path):
    files = Files(str(tmp_path), [], {"portraits": "ask the painter"})
    with pytest.raises(UserError, match=r"portraits is missing.*: ask the painter"):
        files.fetch()
    (tmp_path / "portraits").mkdir()
    files.fetch()


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in Path(CONF, "files").glob("*.yaml") if path.stem != "coco_sample")
)
def test_every_configuration(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("prepare", [f"data={name}"])
    files = instantiate(config.files)
    assert isinstance(files, Files) and str(files.root) == config.data.root
    for archive in files.archives:
        assert archive.name.endswith(".zip") and archive.size > 1e6
        assert archive.md5 is None or len(archive.md5) == 32
    brought = {name for archive in files.archives for name in archive.provides} | set(files.by_hand)
    read = {
        "coco": {"train2017", "val2017", "annotations/captions_train2017.json"},
        "coco_karpathy": {"train2014", "val2014", "dataset_coco.json"},
        "celeba": {"img_align_celeba", "list_eval_partition.txt"},
    }
    source = config.data.source
    assert read[name] <= brought if name in read else {source.file, source.images} == brought
