"""Derived files: kept where they can be, done without where they cannot."""

import logging
from pathlib import Path

import pytest

from whysaid.data.files.kept import can_be_written, kept, load_json, locked, save_json


class Maker:
    """Makes a list, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> list[str]:
        self.calls += 1
        return ["made"]


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """A place in which nobody can make a folder."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "cache"


def test_a_derived_file_is_made_once(tmp_path: Path) -> None:
    make, path = Maker(), tmp_path / "cache" / "a.json"
    assert [kept(path, load_json, make, save_json) for _ in range(2)] == [["made"]] * 2
    assert make.calls == 1 and load_json(path) == ["made"]
    assert sorted(file.name for file in path.parent.iterdir()) == [".lock", "a.json"]


@pytest.mark.parametrize("content", [b"", b"[", b"\xff"])
def test_a_damaged_one_is_made_again(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert kept(tmp_path / "a.json", load_json, Maker(), save_json) == ["made"]
    assert load_json(tmp_path / "a.json") == ["made"] and "it is made again" in caplog.text


def test_a_place_that_cannot_be_written_is_told_of_once(no_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    make = Maker()
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b"):
            assert kept(no_folder / name / "a.json", load_json, make, save_json) == ["made"]
        assert not can_be_written(no_folder)
        with locked(no_folder) as writable:
            assert not writable
    (warning,) = caplog.messages
    assert make.calls == 2 and "data.cache_dir=FOLDER" in warning


def test_a_full_disk_costs_what_would_have_been_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.json.partial").symlink_to("/dev/full")
    assert kept(tmp_path / "a.json", load_json, Maker(), save_json) == ["made"]
    assert "No space left on device" in caplog.text and not (tmp_path / "a.json").exists()


def test_a_file_system_without_locks_counts_as_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("whysaid.data.files.kept.FileLock.acquire", refuse)
    assert kept(tmp_path / "a.json", load_json, Maker(), save_json) == ["made"]
    assert "does not appear to support flock" in caplog.text
