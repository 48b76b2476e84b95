"""Files and folders that are whole or not there at all.

This is the only place that writes beside a file and renames: whoever is killed, or meets a full disk, leaves the file
that was there before.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

FULL = (ENOSPC, EDQUOT, EFBIG)
"""Numbers of the errors by which a system refuses to write more."""


@contextmanager
def replaced(path: Path, durable: bool = True) -> Iterator[Path]:
    """Gives the path of a temporary neighbour, which takes the place of `path` when the block ends.

    An error in the block removes the neighbour and leaves `path` as it was. Processes that may write one file at the
    same time hold a lock around this: all of them use the same neighbour, so that a killed one leaves no litter behind.

    Args:
        path: of the file, in a folder that is there.
        durable: wait until file and folder are on the disk, so that even a loss of power leaves one of the two files.
            False for one of thousands of small files, whose writer calls `os.sync` once behind them.
    """
    partial = partial_of(path)
    try:
        with naming(path):
            yield partial
            put_in_place(partial, path, durable)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Gives an empty temporary folder, which takes the place of the folder `path` when the block ends.

    An error in the block removes the temporary folder and leaves `path` as it was. Processes that may write one folder
    at the same time hold a lock around this.
    """
    partial = partial_of(path)
    shutil.rmtree(partial, ignore_errors=True)  # a process that was killed may have left one
    try:
        with naming(path):
            partial.mkdir()
            yield partial
            shutil.rmtree(path, ignore_errors=True)
            put_in_place(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the path to an error that says that the disk is full: one that comes from `write` names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            error.filename = str(path)
        raise


def write_whole(path: Path, text: str) -> None:
    """Writes a text file in UTF-8; what is none, as bytes of some file names, is escaped."""
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def partial_of(path: Path) -> Path:
    """Returns the name under which a file is written until it is whole."""
    return path.with_name(path.name + ".partial")


def put_in_place(partial: Path, path: Path, durable: bool = True) -> None:
    """Renames a file or folder that is whole; `durable` as of `replaced`."""
    if durable:
        _wait_for_disk(partial)
    partial.replace(path)
    if durable:
        _wait_for_disk(path.parent)


def _wait_for_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
