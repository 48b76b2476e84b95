"""Out of a zip file: safely, checked, and continued where it was interrupted."""

import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from tqdm import tqdm

from whysaid.data.files.download import require_space
from whysaid.data.files.links import require_inside
from whysaid.data.files.whole import replaced
from whysaid.errors import UserError


def extract(archive: Path, folder: Path, wanted: Sequence[str]) -> None:
    """Takes files out of a zip; those that are there with their full size are left as they are.

    Each is written under another name, checked by its CRC-32, and renamed when whole.

    Args:
        archive: a zip file.
        folder: what its names are relative to.
        wanted: names of the files and folders to take.

    Raises UserError where the zip is damaged, lacks a wanted name or has one that leads out of `folder` (nothing is
    written then), or where the disk is full.
    """
    try:
        with ZipFile(archive) as opened:
            members = _chosen(opened, archive, wanted)
            missing = [member for member in members if not _there(folder, member)]
            require_space(archive.parent, sum(member.file_size for member in missing))
            for member in tqdm(missing, desc=archive.stem, unit="file", disable=None):
                _extract_member(opened, member, folder)
            if missing:
                os.sync()
    except UserError:
        raise
    except RuntimeError as error:  # encrypted, or packed by a method that zipfile does not know
        raise UserError(f"{archive} cannot be unpacked ({error}): it is another file; delete it") from error
    except (BadZipFile, EOFError, LZMAError, ValueError, zlib.error, struct.error) as error:
        raise UserError(f"{archive} is damaged ({error}): delete it and run this again") from error
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked ({error}): put that right and run this again") from error


def _chosen(opened: ZipFile, archive: Path, wanted: Sequence[str]) -> list[ZipInfo]:
    files = [member for member in opened.infolist() if not member.is_dir()]
    for member in files:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
            raise UserError(f"{archive} is not to be trusted: {member.filename!r} leads out of its folder; delete it")
    chosen: list[ZipInfo] = []
    for name in wanted:
        members = [m for m in files if m.filename == name or m.filename.startswith(f"{name}/")]
        if not members:
            raise UserError(f"{archive} holds no {name}: it is another file; delete it and run this again")
        chosen += members
    return chosen


def _there(folder: Path, member: ZipInfo) -> bool:
    path = folder / member.filename
    return path.is_file() and path.stat().st_size == member.file_size


def _extract_member(opened: ZipFile, member: ZipInfo, folder: Path) -> None:
    path = folder / member.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    require_inside(path.parent, folder)
    # one of a hundred thousand: the disk is waited for behind the last
    with replaced(path, durable=False) as partial, opened.open(member) as source, partial.open("wb") as target:
        shutil.copyfileobj(source, target)
