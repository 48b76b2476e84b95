"""Checkpoint files that are whole or not there at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from whysaid.errors import UserError


class WholeFile(TorchCheckpointIO):
    """Lightning's writer of checkpoints, which writes beside the old file, waits for the disk, and renames.

    Lightning writes to the machine's temporary folder and moves the file, which to another disk is a copy: a run killed
    in it, or a full disk, would leave half a checkpoint in place of the one before.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint; UserError, with the old file as it was, where the new one cannot be written."""
        final = Path(path)
        partial = final.with_name(final.name + ".partial")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
            _sync(final.parent)
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) and not isinstance(error.__context__, OSError):
                raise  # torch's writer turns a full disk into a RuntimeError
            partial.unlink(missing_ok=True)
            kept = "the one before it is whole" if final.exists() else "there is none before it"
            raise UserError(f"{final} could not be written ({_reason(error)}); {kept}: make room and resume") from error


def _sync(folder: Path) -> None:
    """Waits until a folder is on the disk: before that, a rename in it may be lost with the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: BaseException) -> str:
    first = error.__context__ if isinstance(error.__context__, OSError) else error
    return str(first).splitlines()[0]
