"""A run that ended and is extended trains on the batches, and validates at the steps, of one that never ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.data import Dataset

from whysaid.callbacks.last_checkpoint import LastCheckpoint
from whysaid.data.images import Photo
from whysaid.data.sampler import Key
from whysaid.data.splits import Splits
from whysaid.run.trainer import make_trainer

BATCHES = 6
"""Batches in an epoch."""


@dataclass
class NumberBatch:
    """Items as (epoch, index), and as numbers to train on."""

    items: list[tuple[int, int]]
    values: Tensor
    broken: list[str] = field(default_factory=list)

    def to(self, device: Any, **_: Any) -> "NumberBatch":
        return self


class Numbers(Dataset[NumberBatch]):
    def __len__(self) -> int:
        return 2 * BATCHES

    def __getitem__(self, keys: Sequence[Key]) -> NumberBatch:
        values = torch.tensor([[float(key.index)] for key in keys])
        return NumberBatch([(key.epoch, key.index) for key in keys], values)


class NumberData(Splits[Photo]):
    def __init__(self) -> None:
        super().__init__(source=None, root=".", batch_size=2, eval_batch_size=2)  # type: ignore[arg-type]

    def dataset(self, split: str) -> Numbers:
        return Numbers()


class Line(pl.LightningModule):
    """Something to train, which notes what it was trained on and at which steps it was validated."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(1, 1)
        self.trained: list[list[tuple[int, int]]] = []
        self.validated: list[int] = []
        self.logged: list[int] = []

    def training_step(self, batch: NumberBatch, batch_idx: int) -> Tensor:
        self.trained.append(batch.items)
        self.logged.append(self.trainer.fit_loop.epoch_loop._batches_that_stepped)
        return (self.layer(batch.values) / 10).square().mean()

    def validation_step(self, batch: NumberBatch, batch_idx: int) -> None:
        if batch_idx == 0:
            self.validated.append(self.global_step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


class StopAfter(pl.Callback):
    """Stops as a limit of time, or an early stop, does."""

    def __init__(self, step: int):
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step == self.step


class Killed(Exception):
    """In place of a signal."""


class KillAfter(StopAfter):
    """Ends a run before its next batch."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Does nothing: a validation that is due comes first."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise Killed


def fitted(
    folder: Path, settings: dict[str, Any], *callbacks: pl.Callback, resumed: Path | None = None, every: int = 1000
) -> Line:
    config = {"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu", "logger": False, **settings}
    config |= {"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    last = LastCheckpoint(str(folder), every)
    trainer = make_trainer(OmegaConf.create({"trainer": config}), folder, callbacks=[*callbacks, last])
    line = Line()
    trainer.fit(line, datamodule=NumberData(), ckpt_path=resumed, weights_only=True)
    return line


EPOCHWISE: dict[str, Any] = {"max_epochs": 3}
STEPWISE: dict[str, Any] = {"max_epochs": -1, "check_val_every_n_epoch": None, "val_check_interval": 4}


@pytest.mark.parametrize("settings", [EPOCHWISE, STEPWISE], ids=["epochs", "steps"])
@pytest.mark.parametrize("stop", [1, 4, 6, 8, 9, 12])
def test_max_steps_is_raised(tmp_path: Path, settings: dict[str, Any], stop: int) -> None:
    whole = fitted(tmp_path / "whole", {**settings, "max_steps": 18})
    short = fitted(tmp_path / "run", {**settings, "max_steps": stop})
    rest = fitted(tmp_path / "run", {**settings, "max_steps": 18}, resumed=tmp_path / "run" / "last.ckpt")
    assert_same(whole, short, rest)
    assert rest.validated == [step for step in whole.validated if step > stop]


def assert_same(whole: Line, short: Line, rest: Line) -> None:
    assert short.trained + rest.trained == whole.trained
    assert short.logged + rest.logged == whole.logged
    assert short.validated + rest.validated == whole.validated
    assert torch.equal(rest.layer.weight, whole.layer.weight) and torch.equal(rest.layer.bias, whole.layer.bias)


@pytest.mark.parametrize("settings", [EPOCHWISE, STEPWISE], ids=["epochs", "steps"])
@pytest.mark.parametrize("stop", [4, 9, 12])
def test_it_was_stopped_early(tmp_path: Path, settings: dict[str, Any], stop: int) -> None:
    settings = {**settings, "max_steps": 18}
    whole = fitted(tmp_path / "whole", settings)
    short = fitted(tmp_path / "run", settings, StopAfter(stop))
    rest = fitted(tmp_path / "run", settings, resumed=tmp_path / "run" / "last.ckpt")
    short.validated = [step for step in short.validated if step in whole.validated]  # it is validated as it stops
    assert_same(whole, short, rest)


def test_it_was_killed_after_a_checkpoint_fell_due_where_a_validation_did(tmp_path: Path) -> None:
    settings = {**STEPWISE, "max_steps": 18}
    whole = fitted(tmp_path / "whole", settings)
    with pytest.raises(Killed):
        fitted(tmp_path / "run", settings, KillAfter(6), every=4)
    saved = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"]
    assert saved == 5, "at step 4 a validation was due, which a resumed run would leave out"
    rest = fitted(tmp_path / "run", settings, resumed=tmp_path / "run" / "last.ckpt")
    assert rest.trained == whole.trained[5:] and rest.logged == whole.logged[5:]
    assert rest.validated == [8, 12, 16] and whole.validated == [4, 8, 12, 16]
    assert torch.equal(rest.layer.weight, whole.layer.weight)


def test_gradients_are_accumulated(tmp_path: Path) -> None:
    settings = {"max_epochs": 3, "accumulate_grad_batches": 4}  # two steps an epoch, of four batches and of two
    whole = fitted(tmp_path / "whole", {**settings, "max_steps": 6})
    short = fitted(tmp_path / "run", {**settings, "max_steps": 3})
    rest = fitted(tmp_path / "run", {**settings, "max_steps": 6}, resumed=tmp_path / "run" / "last.ckpt")
    assert_same(whole, short, rest)
