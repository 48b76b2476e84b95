"""Writes `last.ckpt`, the checkpoint that a killed run continues from."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from whysaid.callbacks.lightning import (
    before_the_epoch_ended,
    before_train_end,
    clear_restarting,
    is_trial_run,
    resumable,
)


class LastCheckpoint(Checkpoint):
    """Overwrites `last.ckpt` every so many optimiser steps, and at the end of training.

    It is written only where a resumed run is the uninterrupted one; where it is due at another batch, such as the last
    of an epoch, after the next. A training that ends in the middle of an epoch, by `trainer.max_steps`,
    `trainer.max_time` or an early stop, leaves one that goes on there, should the limit be raised.

    Args:
        dirpath: folder of the file.
        every_n_train_steps: optimiser steps between two writings.

    Attributes:
        known: the metrics that were logged before the checkpoint that this run goes on from, name → last value. Every
            checkpoint holds them: the process that goes on may log some of them no more, such as after the last epoch.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int):
        self.path = Path(dirpath) / "last.ckpt"
        self.every_n_train_steps = every_n_train_steps
        self.known: dict[str, float] = {}
        self._saved_at = 0

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["metrics"] = self.known | {name: float(value) for name, value in trainer.callback_metrics.items()}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self.known = dict(checkpoint["metrics"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = trainer.global_step - self._saved_at >= self.every_n_train_steps
        if due and resumable(trainer):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lets a plateau scheduler step in the epoch that a run resumed in.

        Lightning would leave that step out, as if the epoch had no validation; but it always has one.
        """
        clear_restarting(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        before_train_end(trainer, lambda: self._save_final(trainer))

    def _save_final(self, trainer: pl.Trainer) -> None:
        with before_the_epoch_ended(trainer):
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
