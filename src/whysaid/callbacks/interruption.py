"""Ends a training that is asked to end between two batches, with a checkpoint that continues it exactly."""

import logging
import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from whysaid.callbacks.last_checkpoint import LastCheckpoint
from whysaid.callbacks.lightning import callbacks_of, restore_on_exit, resumable
from whysaid.run.interrupted import STOP, Interrupted, usual_effect

log = logging.getLogger(__name__)

REQUEUE = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that SLURM sends before the time limit (`--signal=USR1@120`), so that the job is queued again; submitit uses
the second."""


class Interruption(Checkpoint):
    """Heeds signals at the end of a batch, where all processes agree: they save `last.ckpt` and raise `Interrupted`.

    Lightning's own handlers save in the middle of whatever line was running, half of an optimiser's step or one
    process a batch ahead of another, and a run that continues from there is not the one that nothing happened to.
    In validation and testing nothing is saved: the run goes back to its last checkpoint. A single process raises there
    at once, several at the end of a batch or of the metrics: what a program scores that got the signal too, such as
    METEOR's, is not kept.

    A signal that comes a second time has its usual effect. Processes that this one starts inherit that `REQUEUE` is
    blocked: SLURM sends it to data-loader workers and Java programs too, and it would end them.

    The class is a `Checkpoint` because Lightning calls these after all other callbacks. It has to be listed after
    `LastCheckpoint`.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._saved_for: signal.Signals | None = None
        self._handlers_before: dict[int | signal.Signals, Any] = {}
        self._trainer: pl.Trainer | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Listens for signals before any worker is started, since workers inherit what is blocked here."""
        self._trainer = trainer
        self._handlers_before = {which: signal.getsignal(which) for which in (*STOP, *REQUEUE)}
        signal.pthread_sigmask(signal.SIG_BLOCK, REQUEUE)
        self._listen()

    def _listen(self) -> None:
        """Puts this callback's handlers in place, unless a signal has come already: the second is not caught."""
        if self._received is None:
            for which in (*STOP, *REQUEUE):
                signal.signal(which, self._heed)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        """Remembers a signal, or raises Interrupted; it lets the next of its kind have its usual effect."""
        self._received = signal.Signals(number)
        usual_effect(number)
        trainer = self._trainer
        if trainer is not None and trainer.world_size == 1 and (trainer.validating or trainer.testing):
            raise Interrupted(self._received, self._received in REQUEUE)
        log.info("%s: the run ends after this batch", self._received.name)

    # Lightning has put its own handlers in place of these by the time a stage starts

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        received = self._agreed(trainer)
        if received is not None and resumable(trainer):
            for checkpoint in callbacks_of(trainer, LastCheckpoint):
                checkpoint.save(trainer)
            self._saved_for = received

    def on_train_batch_start(self, *_: Any) -> None:
        """Raises Interrupted after a save: only now have the scalars of the last batch been logged."""
        if self._saved_for is not None:
            raise Interrupted(self._saved_for, self._saved_for in REQUEUE)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # type: ignore[override]
        self._leave(trainer)

    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # type: ignore[override]
        self._leave(trainer)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave(trainer)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave(trainer)

    def _leave(self, trainer: pl.Trainer) -> None:
        """Raises Interrupted if any process got a signal."""
        received = self._agreed(trainer)
        if received is not None:
            raise Interrupted(received, received in REQUEUE)

    def _agreed(self, trainer: pl.Trainer) -> signal.Signals | None:
        """Returns the signal that any of the processes got, the same on all of them; None if none got any."""
        pending = signal.sigpending() & set(REQUEUE)  # blocked here, and no other thread took it
        here = self._received or min(pending, default=None)
        if trainer.world_size == 1:
            return here
        agree = trainer.strategy.reduce_boolean_decision
        if not agree(here is not None, all=False):
            return None
        return next(which for which in (*STOP, *REQUEUE) if agree(here == which, all=False))

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Makes Lightning put back the handlers from before the run; it would put back those of this callback."""
        restore_on_exit(trainer, self._handlers_before)
        if not isinstance(exception, Interrupted):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUEUE)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for which, handler in self._handlers_before.items():
            signal.signal(which, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUEUE)
