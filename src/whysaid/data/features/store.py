"""Reads a folder of encoder features.

R regions, D features.
"""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whysaid.data.features.index import Index, Shard, StaleCache
from whysaid.errors import UserError


class FeatureStore:
    """Reads a finished folder of features. Cheap to pickle: each process maps the shards it touches, when it does.

    Args:
        folder: as `FeatureWriter` left it.
        fingerprint: of the encoder in use; None accepts any.

    Attributes:
        keys: of the pictures, in the order they were written.
        shape: (R, D).
        fingerprint: of the encoder that made the features.

    Raises StaleCache where features are absent, unfinished or of another encoder, and UserError, naming the shard,
    where one is missing or has the wrong size.
    """

    def __init__(self, folder: str | Path, fingerprint: str | None = None):
        self.folder = Path(folder)
        index = Index.read(self.folder)
        if not index.complete:
            raise StaleCache(f"the features in {folder} are unfinished: run `python -m src.prepare`, it continues")
        if fingerprint not in (None, index.fingerprint):
            raise StaleCache(f"the features in {folder} are of another encoder: run `python -m src.prepare`")
        for shard in index.shards:
            if not index.whole(self.folder, shard):
                self._refuse(shard, "is missing or has the wrong size")
        self.fingerprint, self.shape, self._shards = index.fingerprint, index.shape, index.shards
        self.keys = [key for shard in index.shards for key in shard.keys]
        self._place = {key: (s, row) for s, shard in enumerate(index.shards) for row, key in enumerate(shard.keys)}
        self._full = all(n == self.shape[0] for shard in index.shards for n in shard.counts)
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def __getitem__(self, key: str) -> np.ndarray:
        """(R, D) float16, read-only, zeros beyond the image's own regions; KeyError for a key that is not here."""
        shard, row = self._place[key]
        return self._map(shard)[row]

    def batch(self, keys: Sequence[str]) -> np.ndarray:
        """Features of B pictures, (B, R, D) float16."""
        return np.stack([self[key] for key in keys])

    def mask(self, keys: Sequence[str]) -> np.ndarray | None:
        """(B, R) bool, True where a region is real; None where every image of the store has all R."""
        if self._full:
            return None
        places = [self._place[key] for key in keys]
        counts = np.array([self._shards[shard].counts[row] for shard, row in places])
        return np.arange(self.shape[0]) < counts[:, None]

    def verify(self) -> None:
        """Reads every byte; UserError naming the first shard that does not match its checksum."""
        for s, shard in enumerate(self._shards):
            if zlib.crc32(self._map(s).view(np.uint8).reshape(-1).data) != shard.checksum:
                self._refuse(shard, "is damaged (checksum)")

    def _map(self, shard: int) -> np.ndarray:
        if shard not in self._maps:
            path, n = self.folder / self._shards[shard].name, len(self._shards[shard].keys)
            # a plain view of the map: indexing np.memmap itself costs several times more a row
            self._maps[shard] = np.asarray(np.memmap(path, np.float16, "r", shape=(n, *self.shape)))
        return self._maps[shard]

    def _refuse(self, shard: Shard, what: str) -> None:
        raise UserError(f"{self.folder / shard.name} {what}: delete it and run `python -m src.prepare`")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}


def missing_keys(folder: str | Path, fingerprint: str, keys: Iterable[str]) -> list[str]:
    """Lists the keys of pictures whose features a folder lacks: all of them where no finished store is there."""
    try:
        store = FeatureStore(folder, fingerprint)
    except (UserError, OSError):
        return list(keys)
    return [key for key in keys if key not in store]
