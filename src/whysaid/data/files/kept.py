"""Files that are derived from others: kept for the next run where their folder can be written, done without elsewhere.

A folder that cannot be written, or a full disk, costs time: what is derived is made anew by every run. It costs no
result. One warning says so.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

from filelock import FileLock

from whysaid.data.files.whole import replaced
from whysaid.errors import UserError

log = logging.getLogger(__name__)

T = TypeVar("T")

_warned: set[Path] = set()
"""Folders that a warning was given of."""

REFUSALS = (OSError, NotImplementedError)
"""What is raised where a folder cannot be written, or its file system knows no locks."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError, BadZipFile)
"""What is raised by reading a file that is not what was written."""


class Unkept(UserError):
    """What is derived cannot be kept, and is too large to be made without that."""


def kept(path: Path, load: Callable[[Path], T], make: Callable[[], T], save: Callable[[T, Path], None]) -> T:
    """Reads a derived file; where it is absent or damaged, makes its content, and keeps that if it can.

    Processes that start together make it once: the others wait.

    Args:
        path: of the file.
        load: reads it.
        make: makes what belongs in it.
        save: writes that to a path.
    """
    content = loaded(path, load, tell=False)
    if content is not None:
        return content
    with locked(path.parent) as writable:
        content = loaded(path, load)
        if content is None:
            content = make()
            if writable:
                keep(path, partial(save, content))
    return content


def keep(path: Path, save: Callable[[Path], None]) -> None:
    """Writes a derived file by calling `save` with the path of its neighbour; whoever calls this holds the lock."""
    try:
        with replaced(path) as neighbour:
            save(neighbour)
    except OSError as error:
        warn_unkept(path.parent, error)


def save_json(content: Any, path: Path) -> None:
    """Writes content as JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")


def load_json(path: Path) -> Any:
    """Reads what `save_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[bool]:
    """Makes a folder of derived files and holds its lock; gives False, after a warning, where it cannot be written."""
    lock = FileLock(folder / name)
    writable = can_be_written(folder)
    if writable:
        try:
            lock.acquire()
        except REFUSALS as error:
            warn_unkept(folder, error)
            writable = False
    try:
        yield writable
    finally:
        lock.release()


def can_be_written(folder: Path) -> bool:
    """Makes a folder of derived files and tells whether files can be added to it; warns where they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        warn_unkept(folder, error)
        return False
    return True


def warn_unkept(folder: Path, error: Exception) -> None:
    """Warns, once for all that is derived in a place, that a folder cannot be written."""
    place = next((parent for parent in (folder, *folder.parents) if os.access(parent, os.F_OK)), folder)
    if place not in _warned:
        _warned.add(place)
        log.warning(
            "%s cannot be written (%s): what is derived from the data is made anew by each run; "
            "data.cache_dir=FOLDER keeps it elsewhere",
            folder,
            getattr(error, "strerror", None) or error,
        )


def loaded(path: Path, load: Callable[[Path], T], tell: bool = True) -> T | None:
    """Reads a derived file; None where it is absent, or is not what was written, of which a warning tells."""
    try:
        return load(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _DAMAGED as error:
        if tell:
            log.warning("%s cannot be read (%s): it is made again", path, error)
        return None
