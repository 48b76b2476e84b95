"""`last.ckpt`: what a killed run continues from."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loops.loop import _Loop


class LastCheckpoint(Checkpoint):
    """Overwrites `last.ckpt` every so many optimiser steps, and at the end of training.

    Never at the last batch of an epoch: between that batch and the end of its validation a checkpoint would miss the
    scheduler's step, and a resumed run would differ from an uninterrupted one.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int):
        self.path = Path(dirpath) / "last.ckpt"
        self.every_n_train_steps = every_n_train_steps
        self._saved_at = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = trainer.global_step - self._saved_at >= self.every_n_train_steps
        accumulating = trainer.fit_loop._should_accumulate()
        if due and not trainer.is_last_batch and not accumulating:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning would leave out a plateau scheduler's step in the epoch that a run resumed in, as if that epoch had
        no validation; but it always has."""
        # not by the fit loop's own setter: without max_epochs it would set True, and all later epochs would be empty
        _Loop.restarting.fset(trainer.fit_loop, False)  # type: ignore[attr-defined]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Writes it, unless it is there already; between two batches only."""
        if trainer.global_step > self._saved_at and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._saved_at = trainer.global_step
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"saved_at": self._saved_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved_at = state_dict["saved_at"]
