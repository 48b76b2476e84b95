"""Reads what an offline W&B run logged back from its `.wandb` file.

The file is a LevelDB log of `wandb_internal_pb2.Record`: 7 bytes of head, then blocks of 32 KiB in which each chunk has
7 bytes of its own, checksum (4), length (2), and whether it is a whole record (1) or its first, middle or last part.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wandb
from wandb.proto.wandb_internal_pb2 import Record

HEAD, BLOCK = 7, 32 * 1024
WHOLE, FIRST, LAST = 1, 2, 4


def read_records(path: Path) -> Iterator[Record]:
    """The records of a `.wandb` file, in the order in which they were written.

    Ends W&B's service first: a run that has finished may still have all of its records in there.
    """
    wandb.teardown()
    data, at, parts = path.read_bytes(), HEAD, b""
    assert data.startswith(b":W&B"), f"{path} is no .wandb file"
    while at + HEAD <= len(data):
        if BLOCK - at % BLOCK < HEAD:  # too little room for a chunk: the rest of the block is padding
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEAD])
        parts = b"" if kind in (WHOLE, FIRST) else parts
        parts += data[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)


def read_history(records: list[Record]) -> list[dict[str, Any]]:
    """What each call of `log` logged: metric name → value, or the description of an image or a table."""
    return [_decoded(record.history.item) for record in records if record.WhichOneof("record_type") == "history"]


def read_config(records: list[Record]) -> dict[str, Any]:
    """The run's configuration, by its top-level keys."""
    config: dict[str, Any] = {}
    for record in records:
        kind = record.WhichOneof("record_type")
        if kind in ("run", "config"):
            config |= _decoded(record.run.config.update if kind == "run" else record.config.update)
    return config


def _decoded(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
