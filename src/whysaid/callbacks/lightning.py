"""What callbacks reach for in Lightning's trainer that is private, or that its type does not declare.

Each private name of Lightning stands here once, so that a new version of it is met in one file.
"""

import signal
from collections.abc import Mapping
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loops.loop import _Loop

C = TypeVar("C", bound=Callback)


def data_of(trainer: pl.Trainer) -> Any:
    """Returns the data module of the run."""
    return trainer.datamodule  # type: ignore[attr-defined]


def tested_split(trainer: pl.Trainer) -> str:
    """Returns the split that a test runs on: `test`, or the one that was chosen instead of it."""
    split: str = data_of(trainer).evaluated
    return split


def callbacks_of(trainer: pl.Trainer, kind: type[C]) -> list[C]:
    """Returns the trainer's callbacks of a class, in their order."""
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]


def log_step(trainer: pl.Trainer) -> int:
    """Returns the step that Lightning gives to the scalars of this moment.

    Whatever is logged beside them has to bear the same: W&B has one step axis, which never goes back. It is not
    `global_step`, which is ahead of it by one during validation.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def at_logging_step(trainer: pl.Trainer) -> bool:
    """Tells whether this optimiser step is one of those that `trainer.log_every_n_steps` logs."""
    return bool(trainer.global_step % trainer.log_every_n_steps == 0)  # type: ignore[attr-defined]


def accumulating(trainer: pl.Trainer) -> bool:
    """Tells whether the last batch only added to the gradients, so that the optimiser has not stepped yet."""
    return trainer.fit_loop._should_accumulate()


def is_trial_run(trainer: pl.Trainer) -> bool:
    """Tells whether `trainer.fast_dev_run` is set: a run that leaves nothing behind."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def clear_restarting(trainer: pl.Trainer) -> None:
    """Makes the fit loop forget that the run was resumed.

    The property of the base class is set: without `max_epochs` the fit loop's own setter would set True, and all later
    epochs would be empty.
    """
    _Loop.restarting.fset(trainer.fit_loop, False)  # type: ignore[attr-defined]


def restore_on_exit(trainer: pl.Trainer, handlers: Mapping[int | signal.Signals, Any]) -> None:
    """Replaces the signal handlers that Lightning puts back when it is done."""
    trainer._signal_connector._original_handlers.update(handlers)
