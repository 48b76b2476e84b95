"""Logs the norm of the gradient before clipping: the first thing to look at when training goes wrong."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from whysaid.callbacks.lightning import at_logging_step


class GradientNorm(Callback):
    """Logs `train/grad_norm`, the 2-norm over all parameters, at each logging step."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if at_logging_step(trainer):
            norm = get_total_norm([p.grad for p in pl_module.parameters() if p.grad is not None])
            # of weights that are sharded, each process has a share of the norm
            pl_module.log("train/grad_norm", norm.full_tensor() if isinstance(norm, DTensor) else norm)
