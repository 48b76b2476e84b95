"""Digests of files, and of many files each of which is read once."""

import hashlib
import json
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from whysaid.data.files.kept import keep, locked, save_json

log = logging.getLogger(__name__)

_SETTLED = 2.0
"""Seconds after its last change for which a file may change again without its time of change telling so."""

_READERS = 8
"""Threads; most of the time a disk or a network is waited for."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class RememberedDigests:
    """Digests of many files, of which those are read that are not as they were when they were last read.

    A file is taken for unchanged while its path, its size and its time of change are the same.

    Args:
        path: JSON file in which digests are remembered. Where it cannot be written, all files are read each time.
    """

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, files: Iterable[Path]) -> dict[Path, str]:
        """Returns the digests of files, 32 hexadecimal digits each; those that cannot be read are left out."""
        remembered, digests, new, now = self._read(), {}, {}, time.time()
        for path in dict.fromkeys(files):
            try:
                stat = path.stat()
            except OSError:
                continue
            size, changed, digest = remembered.get(str(path.absolute()), (None, None, ""))
            if (size, changed) == (stat.st_size, stat.st_mtime_ns):
                digests[path] = digest
            else:
                new[path] = stat
        if not new:
            return digests
        if len(new) > 1000:
            log.info("reading %d pictures once, to tell them from others", len(new), extra={"progress": True})
        with ThreadPoolExecutor(_READERS) as readers:
            read = tqdm(readers.map(_content_digest, new), "pictures", len(new), unit="file", disable=None)
            fresh = {path: digest for path, digest in zip(new, read, strict=True) if digest is not None}
        self._write(
            {
                str(path.absolute()): (new[path].st_size, new[path].st_mtime_ns, digest)
                for path, digest in fresh.items()
                if now - new[path].st_mtime > _SETTLED
            }
        )
        return digests | fresh

    def _read(self) -> dict[str, tuple[int, int, str]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: (int(size), int(changed), str(digest)) for name, (size, changed, digest) in content.items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be read (%s): all pictures are read again", self.path, error)
            return {}

    def _write(self, entries: dict[str, tuple[int, int, str]]) -> None:
        """Adds entries to the file, with those that another process has added meanwhile."""
        if not entries:
            return
        with locked(self.path.parent, f".{self.path.name}.lock") as writable:
            if writable:
                keep(self.path, partial(save_json, self._read() | entries))


def _content_digest(path: Path) -> str | None:
    """BLAKE2b of a file in 32 hexadecimal digits; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return None
