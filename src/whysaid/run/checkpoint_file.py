"""Checkpoint files that are whole or not there at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from whysaid.data.files.whole import replaced
from whysaid.errors import UserError
from whysaid.run.torch_file import Unreadable, load_torch


class WholeFile(TorchCheckpointIO):
    """Lightning's writer and reader of checkpoints; it writes beside the old file, waits for the disk, and renames.

    Lightning writes to the machine's temporary folder and moves the file, which to another disk is a copy: a run killed
    in it, or a full disk, would leave half a checkpoint in place of the one before. And it reads damaged files.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint; UserError, with the old file as it was, where the new one cannot be written."""
        final = Path(path)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with replaced(final) as partial, partial.open("wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) and not isinstance(error.__context__, OSError):
                raise  # torch's writer turns a full disk into a RuntimeError
            kept = "the one before it is whole" if final.exists() else "there is none before it"
            raise UserError(f"{final} could not be written ({_reason(error)}); {kept}: make room and resume") from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint onto the CPU; UserError where it is damaged."""
        try:
            content: dict[str, Any] = load_torch(Path(path), code=weights_only is False)
        except (Unreadable, FileNotFoundError) as error:
            raise UserError(f"{path} is not a whole checkpoint ({error})") from error
        return content


def _reason(error: BaseException) -> str:
    first = error.__context__ if isinstance(error.__context__, OSError) else error
    text = f"[Errno {first.errno}] {first.strerror}" if isinstance(first, OSError) and first.strerror else str(first)
    return text.splitlines()[0]
