"""When `last.ckpt` is written."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from whysaid.callbacks.last_checkpoint import LastCheckpoint


class Line(pl.LightningModule):
    """Something to train."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


def saved(tmp_path: Path, every: int, batches: int = 10, epochs: int = 2, accumulate: int = 1) -> list[int]:
    """The optimiser steps after which a checkpoint was written."""
    steps = []

    class Noted(LastCheckpoint):
        def save(self, trainer: pl.Trainer) -> None:
            before = self._saved_at
            super().save(trainer)
            if self._saved_at != before:
                steps.append(torch.load(self.path, weights_only=True)["global_step"])

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        accumulate_grad_batches=accumulate,
        callbacks=[Noted(str(tmp_path), every)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Line(), DataLoader(torch.ones(batches, 1)))
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    return steps


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (3, [3, 6, 9, 12, 15, 18, 20]),
        (10, [11, 20]),  # due at the last batch of the first epoch: written after the next
        (100, [20]),
    ],
)
def test_every_so_many_steps_but_at_an_epochs_last_batch(tmp_path: Path, every: int, expected: list[int]) -> None:
    assert saved(tmp_path, every) == expected


def test_only_when_gradients_have_been_applied(tmp_path: Path) -> None:
    assert saved(tmp_path, every=2, accumulate=3, batches=12) == [2, 5, 7, 8]


def test_none_in_a_trial_run(tmp_path: Path) -> None:
    trainer = pl.Trainer(accelerator="cpu", fast_dev_run=True, callbacks=[LastCheckpoint(str(tmp_path), 1)])
    trainer.fit(Line(), DataLoader(torch.ones(4, 1)))
    assert not list(tmp_path.iterdir())
