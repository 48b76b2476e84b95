"""The files a data set is published in, brought to where its reader looks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from filelock import FileLock

from whysaid.data.files.archive import extract
from whysaid.data.files.download import download
from whysaid.errors import UserError


@dataclass(frozen=True)
class Archive:
    """A published zip file.

    Attributes:
        url: where it is published.
        size: bytes.
        provides: names of the files and folders that are taken from it; where all are there, it is not needed.
        md5: checksum, hexadecimal, or None; the members' own CRC-32 are checked in any case.
    """

    url: str
    size: int
    provides: Sequence[str]
    md5: str | None = None

    @property
    def name(self) -> str:
        """File name of the zip."""
        return PurePosixPath(urlparse(self.url).path).name


class Files:
    """All that a data set needs under its root.

    Args:
        root: folder of the data set.
        archives: to download and unpack.
        by_hand: name under `root` → how to get what is handed out to people only.
    """

    def __init__(self, root: str, archives: Sequence[Archive], by_hand: Mapping[str, str] | None = None):
        self.root, self.archives, self.by_hand = Path(root), archives, by_hand or {}

    def fetch(self) -> None:
        """Downloads and unpacks what is not there; goes on where an earlier run was stopped.

        A zip file lies under `root` until all its files are in place, and so marks an unfinished unpacking; one that
        was put there by hand spares the download. UserError says what a person has to bring.
        """
        for archive in self.archives:
            if self._needed(archive):
                self._bring(archive)
        for name, how in self.by_hand.items():
            if not (self.root / name).exists():
                raise UserError(f"{self.root / name} is missing, and is given out on request only: {how}")

    def _needed(self, archive: Archive) -> bool:
        provided = all((self.root / name).exists() for name in archive.provides)
        return not provided or (self.root / archive.name).exists()

    def _bring(self, archive: Archive) -> None:
        path = self.root / archive.name
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".lock"):
            if self._needed(archive):  # another process may have brought it meanwhile
                download(archive.url, path, archive.size, archive.md5)
                extract(path, self.root, archive.provides)
                path.unlink()
