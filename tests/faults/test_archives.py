"""Zip files that are damaged, or not to be trusted."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest

from tests.faults.table import Kind
from whysaid.data.files.archive import extract
from whysaid.errors import UserError

CONTENT = bytes(range(256)) * 40


def zipped(path: Path, method: int = ZIP_STORED, name: str = "photos/1.jpg") -> None:
    with ZipFile(path, "w", method) as archive:
        archive.writestr("photos/0.jpg", CONTENT)
        archive.writestr(name, CONTENT)


def broken(method: int) -> Callable[[Path], None]:
    """The packed data of the second file are overwritten."""

    def change(path: Path) -> None:
        zipped(path, method)
        with ZipFile(path) as archive:
            start = archive.getinfo("photos/1.jpg").header_offset + 30 + len("photos/1.jpg")
        data = bytearray(path.read_bytes())
        data[start + 9 : start + 60] = b"\xff" * 51
        path.write_bytes(data)

    return change


def entry(offset: int, value: int) -> Callable[[Path], None]:
    """Another number in the second entry of the directory, and in the file's own head."""

    def change(path: Path) -> None:
        zipped(path)
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\x01\x02")
        struct.pack_into("<H", data, at + offset, value)
        struct.pack_into("<H", data, data.rindex(b"PK\x03\x04") + offset - 2, value)
        path.write_bytes(data)

    return change


def named(name: str) -> Callable[[Path], None]:
    return lambda path: zipped(path, name=name)


def linked(path: Path) -> None:
    """An entry that says it is a link; it is taken for a file with the link's text in it."""
    zipped(path)
    link = ZipInfo("photos/2.jpg")
    link.external_attr = 0o120777 << 16
    with ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")


ARCHIVES = Kind(
    "Archives of data sets",
    "One line names the archive and what is wrong with it, and no file is left half-written.",
    {
        "an empty file": lambda path: path.write_bytes(b""),
        "a web page in place of the archive": lambda path: path.write_bytes(b"<html>not found</html>"),
        "a file that was cut": lambda path: (zipped(path), os.truncate(path, path.stat().st_size - 60)),
        "a folder in its place": lambda path: path.mkdir(),
        "a damaged file inside": broken(ZIP_STORED),
        "broken deflate": broken(ZIP_DEFLATED),
        "broken LZMA": broken(ZIP_LZMA),
        "broken bzip2": broken(ZIP_BZIP2),
        "an encrypted file inside": entry(8, 1),
        "a file packed by an unknown method": entry(10, 77),
        "a file that needs a later version": entry(6, 99),
        "a name that leads to the folder above": named("../evil"),
        "a name that leads out by way of a folder": named("photos/../../evil"),
        "an absolute name": named("/evil"),
        "a name of Windows that leads out": named("..\\evil"),
        "a name with a drive": named("C:\\evil"),
        "a file called `.`": named("."),
        "a file called `./.`": named("./."),
        "a file where a folder is": named("photos"),
        "a file below a file": named("photos/0.jpg/1.jpg"),
        "a name of 5,000 letters": named("photos/" + "a" * 5_000),
    },
)


@ARCHIVES.rows()
def test_an_archive(fault: Callable[[Path], None], tmp_path: Path) -> None:
    archive, out = tmp_path / "data.zip", tmp_path / "out"
    fault(archive)
    with pytest.raises(UserError, match=r"data\.zip"):
        extract(archive, out, ["photos"])
    assert not list(tmp_path.rglob("*.partial")) and not (tmp_path / "evil").exists()
    assert all(path.read_bytes() == CONTENT for path in out.rglob("*") if path.is_file())


def test_an_entry_that_is_a_link_becomes_a_file(tmp_path: Path) -> None:
    linked(tmp_path / "data.zip")
    extract(tmp_path / "data.zip", tmp_path / "out", ["photos"])
    assert (tmp_path / "out" / "photos" / "2.jpg").read_text() == "/etc/passwd"
    assert not (tmp_path / "out" / "photos" / "2.jpg").is_symlink()


def test_a_folder_that_is_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    zipped(tmp_path / "data.zip")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photos").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="leads out of"):
        extract(tmp_path / "data.zip", tmp_path / "out", ["photos"])
    assert not list((tmp_path / "elsewhere").iterdir())
