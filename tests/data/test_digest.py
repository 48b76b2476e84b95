import hashlib
import json
import logging
import os
from pathlib import Path

import pytest

from whysaid.data.files import digest
from whysaid.data.files.digest import RememberedDigests

LONG_AGO = 1_600_000_000


def write(path: Path, content: bytes, changed: float = LONG_AGO) -> Path:
    path.write_bytes(content)
    os.utime(path, (changed, changed))
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read."""
    paths: list[Path] = []
    plain = digest._content_digest
    monkeypatch.setattr(digest, "_content_digest", lambda path: (paths.append(path), plain(path))[1])
    return paths


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, read: list[Path]) -> None:
    a, b = write(tmp_path / "a.png", b"a"), write(tmp_path / "b.png", b"b")
    digests = RememberedDigests(tmp_path / "cache" / "pictures.json")
    first = digests([a, b, a])
    assert first == {path: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in (a, b)}
    assert digests([b, a]) == first and sorted(read) == [a, b]
    write(a, b"c", LONG_AGO + 1)
    changed = RememberedDigests(tmp_path / "cache" / "pictures.json")([a, b])
    assert changed[b] == first[b] and changed[a] != first[a] and read[2:] == [a]


def test_a_file_that_has_just_changed_is_not_believed(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"a")
    digests = RememberedDigests(tmp_path / "pictures.json")
    before = digests([path])
    stat = path.stat()
    path.write_bytes(b"b")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as if within the clock's grain
    assert digests([path]) != before


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", b"a")
    (tmp_path / "folder.png").mkdir()
    assert set(RememberedDigests(tmp_path / "p.json")([path, tmp_path / "gone.png", tmp_path / "folder.png"])) == {path}


@pytest.mark.parametrize("content", ["{", "[1]", json.dumps({"a": 3})])
def test_a_damaged_memory_is_made_again(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    path, memory = write(tmp_path / "a.png", b"a"), tmp_path / "pictures.json"
    memory.write_text(content)
    assert set(RememberedDigests(memory)([path])) == {path}
    assert "all pictures are read again" in caplog.text
    assert list(json.loads(memory.read_text())) == [str(path)]


def test_a_memory_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, read: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    path, folder = write(tmp_path / "a.png", b"a"), tmp_path / "cache"
    folder.write_text("no folder can be made here")
    with caplog.at_level(logging.WARNING):
        assert RememberedDigests(folder / "p.json")([path]) == RememberedDigests(folder / "p.json")([path])
    assert read == [path, path] and [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cache cannot be written (File exists)" in caplog.text
