"""Logs the norm of the gradient before clipping: the first thing to look at when training goes wrong."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import grad_norm
from torch.optim import Optimizer

from whysaid.callbacks.lightning import at_logging_step


class GradientNorm(Callback):
    """Logs `train/grad_norm`, the 2-norm over all parameters, at each logging step."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if at_logging_step(trainer):
            norms = grad_norm(pl_module, norm_type=2)
            pl_module.log("train/grad_norm", norms["grad_2.0_norm_total"])
