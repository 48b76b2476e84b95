"""Writes a folder of encoder features, shard by shard.

R regions, D features.
"""

import zlib
from contextlib import ExitStack
from io import BufferedWriter
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from whysaid.data.features.index import INDEX, Index, Shard
from whysaid.data.files.whole import replaced
from whysaid.errors import UserError


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
        self._index = self._resume(Index(fingerprint, shape))
        self._written = {key for shard in self._index.shards for key in shard.keys}
        self._names = {shard.name for shard in self._index.shards}
        self._shard: Shard | None = None
        self._file: BufferedWriter | None = None
        self._closing = ExitStack()
        """Closes the file and renames it; after an error, removes it."""

    def _resume(self, new: Index) -> Index:
        try:
            old = Index.read(self.folder)
        except UserError:
            return new
        if (old.fingerprint, old.shape) == (new.fingerprint, new.shape):
            new.shards = [shard for shard in old.shards if old.whole(self.folder, shard)]
            return new
        (self.folder / INDEX).unlink()
        for shard in old.shards:
            (self.folder / shard.name).unlink(missing_ok=True)
        return new

    def __contains__(self, key: str) -> bool:
        return key in self._written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._closing.__exit__(kind, error, trace)

    def add(self, key: str, features: np.ndarray) -> None:
        """Adds features (n, D) of a picture, n ≤ R; UserError where they do not fit the shape or float16."""
        regions, dim = self._index.shape
        if features.ndim != 2 or len(features) > regions or features.shape[1] != dim:
            raise UserError(f"picture {key} has features {features.shape}, expected at most {(regions, dim)}")
        padded = np.zeros((regions, dim), np.float16)
        with np.errstate(over="ignore"):
            padded[: len(features)] = features
        if not np.isfinite(padded).all():
            raise UserError(f"the features of picture {key} do not fit float16 (|x| ≤ 65504): check the encoder")
        self._append(key, len(features), padded.tobytes())

    def _append(self, key: str, regions: int, data: bytes) -> None:
        if self._shard is None or self._file is None:
            name = next(name for i in count() if (name := f"{i:05d}.f16") not in self._names)
            self._names.add(name)
            partial = self._closing.enter_context(replaced(self.folder / name))
            self._shard, self._file = Shard(name), self._closing.enter_context(partial.open("wb"))
        self._file.write(data)
        self._shard.checksum = zlib.crc32(data, self._shard.checksum)
        self._shard.keys.append(key)
        self._shard.counts.append(regions)
        self._written.add(key)
        if len(self._shard.keys) == self.shard_size:
            self._finish_shard()

    def _finish_shard(self) -> None:
        if self._shard is None or self._file is None:
            return
        self._closing.close()
        self._index.shards.append(self._shard)
        self._index.write(self.folder)
        self._shard = self._file = None

    def close(self) -> None:
        """Finishes the last shard and marks the index complete."""
        self._finish_shard()
        self._index.complete = True
        self._index.write(self.folder)
