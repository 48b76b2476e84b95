"""Looks for losses that are not finite: the run ends and names the batch, or leaves the batch out."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from whysaid.callbacks.lightning import accumulating
from whysaid.errors import UserError

log = logging.getLogger(__name__)


class NonFiniteLoss(Callback):
    """Looks at every loss before it is differentiated, so that no checkpoint holds weights that a NaN has spoilt.

    Args:
        skip: how many batches of a run may be left out, each with a warning; 0 ends the run at the first.

    Attributes:
        skipped: how many batches were left out so far; kept in checkpoints.
    """

    def __init__(self, skip: int = 0):
        self.skip, self.skipped = skip, 0
        self._ids: list[int] = []
        self._leave_out = False
        self._clip: float | int | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._ids = batch.image_ids.tolist() if hasattr(batch, "image_ids") else []

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Marks the batch as one to leave out if the loss of any process is not finite.

        Raises:
            UserError: no more batches may be left out.
        """
        here = not bool(torch.isfinite(loss).all())
        if not (here if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(here, all=False)):
            return
        where = f"step {trainer.global_step}, images {', '.join(map(str, self._ids))}"
        what = (
            f"the loss is {float(loss.detach()):g} at {where}"
            if here
            else f"the loss of another process is no number at {where}"
        )
        if self.skipped >= self.skip:
            raise UserError(
                f"{what}: look at these images and their annotations, lower optimizer.lr, or leave out such batches "
                "with callbacks.non_finite_loss.skip=10"
            )
        log.warning("a batch is left out: %s", what)
        self.skipped += 1
        self._leave_out = True

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Drops all gradients, so that the optimiser changes nothing, and clipping, which fails without them."""
        if self._leave_out:
            optimizer.zero_grad(set_to_none=True)
            self._clip, trainer.gradient_clip_val = self._clip or trainer.gradient_clip_val, None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._leave_out and not accumulating(trainer):
            self._leave_out = False
            trainer.gradient_clip_val, self._clip = self._clip, None

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]
