"""What a long study has finished: a line of JSON for each piece, so that a killed run goes on where it was."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from whysaid.data.files.whole import naming, write_whole
from whysaid.errors import UserError

log = logging.getLogger(__name__)


class Journal:
    """A file that only grows: first the settings that its records depend on, then one record a line.

    A last line that was cut by a kill is taken away.

    Args:
        path: the file; made where there is none.
        settings: plain containers.

    Attributes:
        records: those found and those added, in order.

    Raises UserError: the file was begun with other settings, or is none of these files.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path = path
        whole = path.read_bytes() if path.exists() else b""
        kept = whole[: whole.rfind(b"\n") + 1]
        try:
            lines: list[dict[str, Any]] = [dict(json.loads(line)) for line in kept.splitlines()]
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is not what this study writes ({error}): use another run directory") from None
        wanted = json.loads(json.dumps(dict(settings)))
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(wanted) + "\n")
        elif lines[0] != wanted:
            differ = sorted(k for k in {*wanted, *lines[0]} if wanted.get(k) != lines[0].get(k))
            raise UserError(
                f"{path} was begun with other settings ({', '.join(differ)}): use another run directory, or remove it"
            )
        elif len(kept) < len(whole):
            with path.open("r+b") as file:
                file.truncate(len(kept))
        self.records: list[dict[str, Any]] = lines[1:]
        if self.records:
            log.info("%d records of an earlier run in %s are kept", len(self.records), path.name)

    def add(self, record: Mapping[str, Any]) -> None:
        """Appends a record, whole before the next begins."""
        line = json.dumps(dict(record))
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.records.append(json.loads(line))


def weights_digest(model: torch.nn.Module) -> str:
    """What tells a model's weights from all others."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def described(value: Any) -> Any:
    """An object's class and settings as plain containers."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [described(part) for part in value]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return value.__qualname__
    return {"class": type(value).__qualname__, **{k: described(v) for k, v in getattr(value, "__dict__", {}).items()}}
