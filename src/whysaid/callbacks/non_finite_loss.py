"""A loss that is no number: the run ends and names the batch, or leaves the batch out."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from whysaid.errors import UserError

log = logging.getLogger(__name__)


class NonFiniteLoss(Callback):
    """Looks at every loss before it is differentiated; no checkpoint ever holds what a NaN has made of the weights.

    Args:
        skip: so many batches of a run may be left out, each with a warning; 0 ends the run at the first.
    """

    def __init__(self, skip: int = 0):
        self.skip, self.skipped = skip, 0
        self._ids: list[int] = []
        self._found = False
        self._clip: float | int | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._ids = batch.image_ids.tolist() if hasattr(batch, "image_ids") else []

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """UserError where no more batches may be left out."""
        own = not bool(torch.isfinite(loss).all())
        if not (own if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(own, all=False)):
            return
        where = f"step {trainer.global_step}, images {', '.join(map(str, self._ids))}"
        found = (
            f"the loss is {float(loss.detach()):g} at {where}"
            if own
            else f"the loss of another process is no number at {where}"
        )
        if self.skipped >= self.skip:
            raise UserError(
                f"{found}: look at these images and their annotations, lower optimizer.lr, or leave out such batches "
                "with callbacks.non_finite_loss.skip=10"
            )
        log.warning("a batch is left out: %s", found)
        self.skipped += 1
        self._found = True

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """An optimiser passes over parameters without a gradient; torch's clipping fails where there are none."""
        if self._found:
            optimizer.zero_grad(set_to_none=True)
            self._clip, trainer.gradient_clip_val = self._clip or trainer.gradient_clip_val, None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._found and not trainer.fit_loop._should_accumulate():
            self._found = False
            trainer.gradient_clip_val, self._clip = self._clip, None

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]
