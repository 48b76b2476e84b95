"""Encoder features on disk: memory-mapped float16 shards beside one index.

A folder holds `00000.f16`, `00001.f16`, … , each a C-ordered (n, R, D) array without a header, and `index.json` with
the keys of the pictures, the number of real regions of each, and a checksum of each shard. A shard is written under
another name and renamed when whole, and only then enters the index, so a killed build continues where it was.

R regions, D features.
"""

import json
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whysaid.data.files.whole import write_whole
from whysaid.errors import UserError

INDEX = "index.json"

VERSION = 2
"""Raised when features are kept in another way: since 2 pictures are known by their content."""


NAME = re.compile(r"\d{5,}\.f16")
"""What a shard is called. Shards are removed and written by their names in the index, so that no others are taken."""


class StaleCache(UserError):
    """Features that are absent, unfinished, or of another encoder: build them again."""


@dataclass
class Shard:
    """One file of features: keys of pictures in order, their numbers of regions, and the CRC-32 of the bytes."""

    name: str
    keys: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    checksum: int = 0


@dataclass
class Index:
    """The shards of a folder, in order, and what they are of.

    fingerprint: of the encoder. shape: (R, D). complete: whether the build ended well.
    """

    fingerprint: str
    shape: tuple[int, int]
    shards: list[Shard] = field(default_factory=list)
    complete: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Reads the index of a folder; StaleCache where there is none, UserError where it is damaged."""
        try:
            values: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if values.get("version") != VERSION:
                raise StaleCache(f"the features in {folder} are kept in another way: run `python -m src.prepare`")
            shards = [Shard(**shard) for shard in values["shards"]]
            strange = [shard.name for shard in shards if not NAME.fullmatch(shard.name)]
            if strange:
                raise ValueError(f"{strange[0]} is no name of a shard")
            rows, dim = values["shape"]
            return cls(values["fingerprint"], (rows, dim), shards, values["complete"])
        except FileNotFoundError:
            raise StaleCache(f"there are no cached features in {folder}: run `python -m src.prepare`") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{folder / INDEX} is damaged: delete {folder} and run `python -m src.prepare`") from error

    def write(self, folder: Path) -> None:
        """Writes `index.json`."""
        shards = [vars(shard) for shard in self.shards]  # asdict copies each key, at each shard of a long build
        write_whole(folder / INDEX, json.dumps({"version": VERSION, **vars(self), "shards": shards}))

    def whole(self, folder: Path, shard: Shard) -> bool:
        """Whether the file is there with the right number of bytes."""
        path = folder / shard.name
        return path.is_file() and path.stat().st_size == 2 * len(shard.keys) * self.shape[0] * self.shape[1]


def remove_damaged(folder: str | Path) -> list[str]:
    """Reads every byte of a folder of features and removes the shards that do not match their checksums.

    Returns their names; a FeatureWriter fills the gaps. Nothing is done where there is no whole index.
    """
    try:
        index = Index.read(Path(folder))
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
