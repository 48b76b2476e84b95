"""Writes `last.ckpt`, the checkpoint that a killed run continues from."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from whysaid.callbacks.lightning import accumulating, clear_restarting, is_trial_run


class LastCheckpoint(Checkpoint):
    """Overwrites `last.ckpt` every so many optimiser steps, and at the end of training.

    It is never written at the last batch of an epoch: between that batch and the end of its validation a checkpoint
    would miss the scheduler's step, and a resumed run would differ from an uninterrupted one.

    Args:
        dirpath: folder of the file.
        every_n_train_steps: optimiser steps between two writings.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int):
        self.path = Path(dirpath) / "last.ckpt"
        self.every_n_train_steps = every_n_train_steps
        self._saved_at = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = trainer.global_step - self._saved_at >= self.every_n_train_steps
        if due and not trainer.is_last_batch and not accumulating(trainer):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lets a plateau scheduler step in the epoch that a run resumed in.

        Lightning would leave that step out, as if the epoch had no validation; but it always has one.
        """
        clear_restarting(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Writes the checkpoint, unless this step has been written already; only to be called between batches."""
        if trainer.global_step > self._saved_at and not is_trial_run(trainer):
            self._saved_at = trainer.global_step
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"saved_at": self._saved_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved_at = state_dict["saved_at"]
