from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from whysaid.data.files.archive import extract
from whysaid.errors import UserError

FILES = {"photos/1.jpg": b"one" * 100, "photos/2.jpg": b"two" * 100, "notes.txt": b"a note", "photos-old/1.jpg": b"old"}


def zipped(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_takes_what_is_wanted_and_no_more(tmp_path):
    extract(zipped(tmp_path / "a.zip"), tmp_path / "out", ["photos"])
    assert files_in(tmp_path / "out") == {name: FILES[name] for name in ("photos/1.jpg", "photos/2.jpg")}


def test_continues_and_leaves_what_is_there(tmp_path):
    out, archive = tmp_path / "out", zipped(tmp_path / "a.zip")
    extract(archive, out, ["photos"])
    first = (out / "photos/1.jpg").stat().st_mtime_ns
    (out / "photos/2.jpg").write_bytes(b"cut")
    (out / "photos/2.jpg.partial").write_bytes(b"killed")
    extract(archive, out, ["photos", "notes.txt"])
    assert files_in(out) == {name: FILES[name] for name in ("photos/1.jpg", "photos/2.jpg", "notes.txt")}
    assert (out / "photos/1.jpg").stat().st_mtime_ns == first


@pytest.mark.parametrize("name", ["../evil", "photos/../../evil", "/evil", "..\\evil", "C:\\evil"])
def test_a_name_that_leads_out_is_refused_before_anything_is_written(tmp_path, name):
    archive = zipped(tmp_path / "a.zip", {"photos/1.jpg": b"one", name: b"evil"})
    with pytest.raises(UserError, match="leads out of its folder"):
        extract(archive, tmp_path / "out", ["photos"])
    assert list(tmp_path.iterdir()) == [archive]


def test_a_damaged_member_is_not_put_in_place(tmp_path):
    archive = zipped(tmp_path / "a.zip")
    archive.write_bytes(archive.read_bytes().replace(b"twotwo", b"tootwo", 1))
    with pytest.raises(UserError, match="is damaged"):
        extract(archive, tmp_path / "out", ["photos"])
    assert not (tmp_path / "out/photos/2.jpg").exists()


def test_no_zip_and_another_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match="is damaged"):
        extract(tmp_path / "a.zip", tmp_path, ["photos"])
    with pytest.raises(UserError, match="holds no videos"):
        extract(zipped(tmp_path / "b.zip"), tmp_path, ["videos"])
