"""What callbacks reach for in Lightning's trainer that is private, or that its type does not declare.

Each private name of Lightning stands here once, so that a new version of it is met in one file.
"""

import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, WeightAveraging
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


def resumable(trainer: pl.Trainer) -> bool:
    """Tells whether a run that goes on from after this batch would be the run that nothing happened to.

    It would not between the last batch of an epoch, or one that a validation follows, and the end of that validation:
    Lightning would leave out the validation and the scheduler's step. Nor would it while gradients are accumulated.
    """
    loop = trainer.fit_loop.epoch_loop
    fetcher = trainer.fit_loop._data_fetcher
    assert fetcher is not None
    return not (trainer.is_last_batch or accumulating(trainer) or loop._should_check_val_fx(fetcher))


@contextmanager
def before_the_epoch_ended(trainer: pl.Trainer) -> Iterator[None]:
    """Takes the counters of the fit loop back to the end of its last batch, for a checkpoint of an unfinished epoch.

    Lightning counts an epoch as done wherever the training stops, so that a run that goes on from there would leave out
    the rest of it. Where the training stopped at the last batch of an epoch, nothing is changed.
    """
    if trainer.is_last_batch:
        yield
        return
    fit, epoch = trainer.fit_loop, trainer.fit_loop.epoch_loop
    stepped = 0 if accumulating(trainer) else 1

    def move(by: int) -> None:
        for progress in (fit.epoch_progress.current, fit.epoch_progress.total):
            progress.processed += by  # type: ignore[attr-defined]
            progress.completed += by
        for progress in (epoch.batch_progress.current, epoch.batch_progress.total):
            progress.completed += by
        epoch._batches_that_stepped += by * stepped

    move(-1)
    try:
        yield
    finally:
        move(1)


def before_train_end(trainer: pl.Trainer, act: Callable[[], None]) -> None:
    """Calls `act` when training has ended and before callbacks learn of it: one that averages weights changes them."""
    loop = trainer.fit_loop
    end = type(loop).on_run_end

    def on_run_end() -> None:
        act()
        end(loop)

    loop.on_run_end = on_run_end  # type: ignore[method-assign]


def forget_averages(trainer: pl.Trainer) -> None:
    """Makes callbacks that average weights forget them, when training has ended.

    A checkpoint that is loaded for a test holds the averaged weights. A callback that still averages would put those in
    their place that were being trained when it was written.
    """
    for averaging in callbacks_of(trainer, WeightAveraging):
        averaging._average_model = None
        warnings.filterwarnings("ignore", ".*using the WeightAveraging callback, but loading a checkpoint outside.*")


def is_trial_run(trainer: pl.Trainer) -> bool:
    """Tells whether `trainer.fast_dev_run` is set: a run that leaves nothing behind."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def clear_restarting(trainer: pl.Trainer) -> None:
    """Makes the fit loop forget that the run was resumed.

    The property of the base class is set: the fit loop's own setter would set True where `max_steps` limits a run, and
    all later epochs would be empty.
    """
    _Loop.restarting.fset(trainer.fit_loop, False)  # type: ignore[attr-defined]


def restore_on_exit(trainer: pl.Trainer, handlers: Mapping[int | signal.Signals, Any]) -> None:
    """Replaces the signal handlers that Lightning puts back when it is done."""
    trainer._signal_connector._original_handlers.update(handlers)


def raised_in_restoring(error: BaseException) -> bool:
    """Tells whether an error was raised while the trainer put the states of a checkpoint back."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).name == "checkpoint_connector.py" for frame in frames)
