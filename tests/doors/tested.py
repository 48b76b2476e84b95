"""A callback that keeps the weights that were evaluated."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class TestedWeights(Callback):
    """Writes the weights of the last validation and of the test, as they are while batches are evaluated."""

    __test__ = False

    def __init__(self, path: str):
        self.path = path

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        torch.save(pl_module.state_dict(), f"{self.path}.val")

    def on_test_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        torch.save(pl_module.state_dict(), f"{self.path}.test")
