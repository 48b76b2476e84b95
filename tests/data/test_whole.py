import os
import re
from pathlib import Path

import pytest

from whysaid.data.files.whole import replaced, replaced_folder, write_whole

SOURCE = Path(__file__).parents[2] / "src" / "whysaid"


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "beför")
    with replaced(path) as partial:
        partial.write_text("after")
        assert path.read_text(encoding="utf-8") == "beför"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_file_as_it_was_and_no_other_beside_it(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "before")
    with pytest.raises(error), replaced(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "before")
    (tmp_path / "a.txt.partial").symlink_to("/dev/full")  # whoever writes to it is told that the disk is full
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "after")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_durable_file_and_its_folder_are_on_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: waited.append(Path(f"/proc/self/fd/{handle}").readlink()))
    write_whole(tmp_path / "a.txt", "text")
    assert waited == [tmp_path / "a.txt.partial", tmp_path]
    with replaced(tmp_path / "b.txt", durable=False) as partial:
        partial.touch()
    assert len(waited) == 2 and (tmp_path / "b.txt").exists()


def test_a_folder_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "model"
    (path / "old").mkdir(parents=True)
    (tmp_path / "model.partial" / "of a killed process").mkdir(parents=True)
    with replaced_folder(path) as partial:
        (partial / "new").touch()
        assert (path / "old").is_dir()
    assert list(path.iterdir()) == [path / "new"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_folder_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model"
    (path / "old").mkdir(parents=True)
    with pytest.raises(error), replaced_folder(path) as partial:
        (partial / "half").touch()
        raise error
    assert list(path.iterdir()) == [path / "old"] and list(tmp_path.iterdir()) == [path]


def test_nobody_else_writes_beside_a_file_and_renames() -> None:
    by_hand = re.compile(r"""\.rename\(|os\.replace|NamedTemporary|mkstemp|["'f.]\.partial["']|\.replace\(\w*path\b""")
    hands = {path.name for path in SOURCE.rglob("*.py") if by_hand.search(path.read_text(encoding="utf-8"))}
    assert hands == {"whole.py"}
