"""What is derived from data and kept, where it was damaged, or where another program wrote it."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.faults.table import Kind
from tests.running import COUNTS, SIZE
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.corpus import Corpus
from whysaid.data.features.index import INDEX
from whysaid.data.features.store import FeatureStore
from whysaid.data.features.writer import FeatureWriter
from whysaid.data.files import whole
from whysaid.data.files.digest import RememberedDigests
from whysaid.data.files.kept import kept, load_json, save_json
from whysaid.data.scenes.write import build_scenes
from whysaid.errors import UserError
from whysaid.metrics.tokenizer import _cached

CACHES = Kind(
    "Caches",
    "A vocabulary, document frequencies, features and tokenised captions are made again, and a line says so; a world "
    "of scenes is refused by one line, since its pictures may be another's.",
    {
        "an empty file": b"",
        "a file that was cut": b'["<pad>", "<start>", "<e',
        "a page of zeros": bytes(4096),
        "bytes that are no text": b"\xff\xfe\x00",
        "a list of other things": b'[{"a": 1}]',
        "an empty list": b"[]",
        "a mapping of other things": b'{"a": 1}',
        "a number": b"7",
        "null": b"null",
        "a list in a list, 100,000 times": b"[" * 100_000,
        "a number of 5,000 digits": b"9" * 5_000,
    },
)

IMAGES = [CaptionedImage(i, Path(f"{i}.png"), ("a dog on a hill", "a dog")) for i in range(3)]
WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "hill", "on"]


@CACHES.rows()
@pytest.mark.parametrize("name", ["vocabulary.json", "document_frequencies.npz"])
def test_a_corpus(fault: bytes, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Corpus(tmp_path, IMAGES, min_count=1, max_words=9)
    (tmp_path / name).write_bytes(fault)
    corpus = Corpus(tmp_path, IMAGES, min_count=1, max_words=9)
    assert corpus.vocabulary.words == WORDS and corpus.document_frequencies.documents == 3
    assert f"{name} cannot be read" in caplog.text and "it is made again" in caplog.text and len(caplog.records) == 1
    again = Corpus(tmp_path, IMAGES, min_count=1, max_words=9)
    assert again.vocabulary.words == WORDS and again.document_frequencies.documents == 3 and len(caplog.records) == 1


def stored(folder: Path) -> bytes:
    """Features of one picture, in a folder."""
    with FeatureWriter(folder, "encoder", (2, 3)) as writer:
        if "a" not in writer:
            writer.add("a", np.ones((2, 3)))
    return FeatureStore(folder, "encoder")["a"].tobytes()


@CACHES.rows()
def test_an_index_of_features(fault: bytes, tmp_path: Path) -> None:
    before = stored(tmp_path)
    (tmp_path / INDEX).write_bytes(fault)
    with pytest.raises(UserError, match=r"index\.json is damaged|kept in another way"):
        FeatureStore(tmp_path, "encoder")
    assert stored(tmp_path) == before


@CACHES.rows()
def test_tokenised_captions(fault: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whysaid.metrics.tokenizer._run_java", lambda lines: [line.lower() for line in lines])
    lines = {1: ["A dog"], 2: ["Two", "three"]}
    assert _cached(lines, tmp_path) == ["a dog", "two", "three"]
    (path,) = tmp_path.glob("ptb-*.json")
    path.write_bytes(fault)
    assert _cached(lines, tmp_path) == ["a dog", "two", "three"] == json.loads(path.read_text())


@CACHES.rows()
def test_remembered_digests(fault: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"1")
    before = RememberedDigests(tmp_path / "digests.json")([tmp_path / "photo"])
    (tmp_path / "digests.json").write_bytes(fault)
    assert RememberedDigests(tmp_path / "digests.json")([tmp_path / "photo"]) == before


@CACHES.rows()
def test_a_world_of_scenes(fault: bytes, tmp_path: Path) -> None:
    (tmp_path / "scenes.json").write_bytes(fault)
    (tmp_path / "train2017").mkdir()
    with pytest.raises(UserError, match=r"scenes\.json is damaged, or of another program .*: remove "):
        build_scenes(tmp_path, size=SIZE, counts=COUNTS)
    assert (tmp_path / "scenes.json").read_bytes() == fault and not list((tmp_path / "train2017").iterdir())


PLANTED = Kind(
    "Names in an index of features that somebody else wrote",
    "The index counts as damaged, and no other file is read, written or removed.",
    {
        "a file in the folder above": "../precious",
        "an absolute path": "/precious",
        "a file of another kind in the folder": "lock",
        "the index itself": INDEX,
        "a name with a line feed": "00000.f16\n",
        "a list": ["00000.f16"],
    },
)


@PLANTED.rows()
@pytest.mark.parametrize("fingerprint", ["encoder", "another"])
def test_an_index_that_names_other_files(fault: str, fingerprint: str, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    (tmp_path / "precious").write_bytes(bytes(12))
    (folder / "lock").write_bytes(bytes(12))
    shard = {"name": fault, "keys": ["a"], "counts": [2], "checksum": 0}
    index = {"version": 2, "fingerprint": fingerprint, "shape": [2, 3], "shards": [shard], "complete": True}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        FeatureStore(folder)
    assert stored(folder) == np.ones((2, 3), np.float16).tobytes()
    assert (tmp_path / "precious").read_bytes() == (folder / "lock").read_bytes() == bytes(12)


def test_a_folder_in_the_place_of_a_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.json").mkdir()
    assert kept(tmp_path / "a.json", load_json, lambda: [1], save_json) == [1]
    assert "a.json cannot be read" in caplog.text and "cannot be written" in caplog.text


@pytest.mark.parametrize("written", ["vocabulary.json", "document_frequencies.npz"])
def test_a_cache_is_on_the_disk_before_it_has_its_name(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def wait(path: Path) -> None:
        seen.append((path.name, (tmp_path / written).exists()))

    monkeypatch.setattr(whole, "_wait_for_disk", wait)
    Corpus(tmp_path, IMAGES, min_count=1, max_words=9)
    assert (f"{written}.partial", False) in seen and (tmp_path.name, True) in seen
