"""Encoder features on disk: memory-mapped float16 shards beside one index.

A folder holds `00000.f16`, `00001.f16`, … , each a C-ordered (n, R, D) array without a header, and `index.json` with
the image ids, the number of real regions of each image, and a checksum of each shard. A shard is written under
another name and renamed when whole, and only then enters the index, so a killed build continues where it was.

R regions, D features.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from io import BufferedWriter
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from whysaid.errors import UserError

_INDEX = "index.json"


class StaleCache(UserError):
    """Features that are absent, unfinished, or of another encoder: build them again."""


@dataclass
class Shard:
    """One file of features: image ids in order, their numbers of regions, and the CRC-32 of the bytes."""

    name: str
    ids: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    checksum: int = 0


@dataclass
class _Index:
    fingerprint: str
    shape: tuple[int, int]
    shards: list[Shard] = field(default_factory=list)
    complete: bool = False

    @classmethod
    def read(cls, folder: Path) -> "_Index":
        try:
            values: dict[str, Any] = json.loads((folder / _INDEX).read_text())
            shards = [Shard(**shard) for shard in values["shards"]]
            rows, dim = values["shape"]
            return cls(values["fingerprint"], (rows, dim), shards, values["complete"])
        except FileNotFoundError:
            raise StaleCache(f"there are no cached features in {folder}: run `python -m src.prepare`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder / _INDEX} is damaged: delete {folder} and run `python -m src.prepare`") from error

    def write(self, folder: Path) -> None:
        partial = folder / f"{_INDEX}.partial"
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(folder / _INDEX)

    def whole(self, folder: Path, shard: Shard) -> bool:
        """Whether the file is there with the right number of bytes."""
        path = folder / shard.name
        return path.is_file() and path.stat().st_size == 2 * len(shard.ids) * self.shape[0] * self.shape[1]


def remove_damaged(folder: str | Path) -> list[str]:
    """Reads every byte of a folder of features and removes the shards that do not match their checksums.

    Returns their names; a FeatureWriter fills the gaps. Nothing is done where there is no whole index.
    """
    try:
        index = _Index.read(Path(folder))
    except UserError:
        return []
    present = [shard for shard in index.shards if index.whole(Path(folder), shard)]
    damaged = [shard.name for shard in present if _checksum(Path(folder) / shard.name) != shard.checksum]
    for name in damaged:
        (Path(folder) / name).unlink()
    return damaged


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            checksum = zlib.crc32(block, checksum)
    return checksum


class FeatureWriter:
    """Builds, continues or extends a folder of features; a context manager that finishes the index when all went well.

    Args:
        folder: created where absent. Features of another fingerprint or shape in it are removed.
        fingerprint: of the encoder that makes the features.
        shape: (R, D) of an image; images with fewer regions are padded with zeros.
        shard_size: images in a file; a killed build loses fewer than these.
    """

    def __init__(self, folder: str | Path, fingerprint: str, shape: tuple[int, int], shard_size: int = 512):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shard_size = shard_size
        for orphan in self.folder.glob("*.partial"):
            orphan.unlink()
        self._index = self._resume(_Index(fingerprint, shape))
        self._written = {image_id for shard in self._index.shards for image_id in shard.ids}
        self._names = {shard.name for shard in self._index.shards}
        self._shard: Shard | None = None
        self._file: BufferedWriter | None = None

    def _resume(self, new: _Index) -> _Index:
        try:
            old = _Index.read(self.folder)
        except UserError:
            return new
        if (old.fingerprint, old.shape) == (new.fingerprint, new.shape):
            new.shards = [shard for shard in old.shards if old.whole(self.folder, shard)]
            return new
        (self.folder / _INDEX).unlink()
        for shard in old.shards:
            (self.folder / shard.name).unlink(missing_ok=True)
        return new

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.close()

    def add(self, image_id: int, features: np.ndarray) -> None:
        """Features (n, D) of one image, n ≤ R; UserError where they do not fit the shape or float16."""
        regions, dim = self._index.shape
        if features.ndim != 2 or len(features) > regions or features.shape[1] != dim:
            raise UserError(f"image {image_id} has features {features.shape}, expected at most {(regions, dim)}")
        padded = np.zeros((regions, dim), np.float16)
        with np.errstate(over="ignore"):
            padded[: len(features)] = features
        if not np.isfinite(padded).all():
            raise UserError(f"the features of image {image_id} do not fit float16 (|x| ≤ 65504): check the encoder")
        self._append(image_id, len(features), padded.tobytes())

    def _append(self, image_id: int, regions: int, data: bytes) -> None:
        if self._shard is None or self._file is None:
            name = next(name for i in count() if (name := f"{i:05d}.f16") not in self._names)
            self._names.add(name)
            self._shard, self._file = Shard(name), (self.folder / f"{name}.partial").open("wb")
        self._file.write(data)
        self._shard.checksum = zlib.crc32(data, self._shard.checksum)
        self._shard.ids.append(int(image_id))
        self._shard.counts.append(regions)
        self._written.add(int(image_id))
        if len(self._shard.ids) == self.shard_size:
            self._finish_shard()

    def _finish_shard(self) -> None:
        if self._shard is None or self._file is None:
            return
        self._file.close()
        Path(self._file.name).replace(self.folder / self._shard.name)
        self._index.shards.append(self._shard)
        self._index.write(self.folder)
        self._shard = self._file = None

    def close(self) -> None:
        """Finishes the last shard and marks the index complete."""
        self._finish_shard()
        self._index.complete = True
        self._index.write(self.folder)


class FeatureStore:
    """Reads a finished folder of features. Cheap to pickle: each process maps the shards it touches, when it does.

    Args:
        folder: as `FeatureWriter` left it.
        fingerprint: of the encoder in use; None accepts any.

    Attributes:
        ids: image ids in the order they were written.
        shape: (R, D).
        fingerprint: of the encoder that made the features.

    Raises StaleCache where features are absent, unfinished or of another encoder, and UserError, naming the shard,
    where one is missing or has the wrong size.
    """

    def __init__(self, folder: str | Path, fingerprint: str | None = None):
        self.folder = Path(folder)
        index = _Index.read(self.folder)
        if not index.complete:
            raise StaleCache(f"the features in {folder} are unfinished: run `python -m src.prepare`, it continues")
        if fingerprint not in (None, index.fingerprint):
            raise StaleCache(f"the features in {folder} are of another encoder: run `python -m src.prepare`")
        for shard in index.shards:
            if not index.whole(self.folder, shard):
                self._refuse(shard, "is missing or has the wrong size")
        self.fingerprint, self.shape, self._shards = index.fingerprint, index.shape, index.shards
        self.ids = [image_id for shard in index.shards for image_id in shard.ids]
        self._place = {
            image_id: (s, row) for s, shard in enumerate(index.shards) for row, image_id in enumerate(shard.ids)
        }
        self._full = all(n == self.shape[0] for shard in index.shards for n in shard.counts)
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._place

    def __getitem__(self, image_id: int) -> np.ndarray:
        """(R, D) float16, read-only, zeros beyond the image's own regions; KeyError for an id that is not here."""
        shard, row = self._place[image_id]
        return self._map(shard)[row]

    def batch(self, ids: Sequence[int]) -> np.ndarray:
        """Features of B images, (B, R, D) float16."""
        return np.stack([self[image_id] for image_id in ids])

    def mask(self, ids: Sequence[int]) -> np.ndarray | None:
        """(B, R) bool, True where a region is real; None where every image of the store has all R."""
        if self._full:
            return None
        places = [self._place[image_id] for image_id in ids]
        counts = np.array([self._shards[shard].counts[row] for shard, row in places])
        return np.arange(self.shape[0]) < counts[:, None]

    def verify(self) -> None:
        """Reads every byte; UserError naming the first shard that does not match its checksum."""
        for s, shard in enumerate(self._shards):
            if zlib.crc32(self._map(s).view(np.uint8).reshape(-1).data) != shard.checksum:
                self._refuse(shard, "is damaged (checksum)")

    def _map(self, shard: int) -> np.ndarray:
        if shard not in self._maps:
            path, n = self.folder / self._shards[shard].name, len(self._shards[shard].ids)
            # a plain view of the map: indexing np.memmap itself costs several times more a row
            self._maps[shard] = np.asarray(np.memmap(path, np.float16, "r", shape=(n, *self.shape)))
        return self._maps[shard]

    def _refuse(self, shard: Shard, what: str) -> None:
        raise UserError(f"{self.folder / shard.name} {what}: delete it and run `python -m src.prepare`")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}
