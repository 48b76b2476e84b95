"""Ends a training that is asked to end between two batches, with a checkpoint that continues it exactly."""

import logging
import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from whysaid.callbacks.last_checkpoint import LastCheckpoint
from whysaid.run.interrupted import Interrupted

log = logging.getLogger(__name__)

STOP = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C; `kill`, `scancel`, a preempted job."""

REQUEUE = (signal.SIGUSR1, signal.SIGUSR2)
"""What SLURM is told to send before the time limit (`--signal=USR1@120`); submitit's is the second."""


class Interruption(Checkpoint):
    """Heeds signals at the end of a batch, where all processes agree: they save `last.ckpt` and raise `Interrupted`.

    Lightning's own handlers save in the middle of whatever line was running, half of an optimiser's step or one
    process a batch ahead of another, and a run that continues from there is not the one that nothing happened to.
    In validation and testing nothing is saved: the run goes back to its last checkpoint.

    Of the same signal the second has its usual effect. REQUEUE is blocked for what this process starts: SLURM sends
    it to data-loader workers and Java programs too, and it would end them.

    It is a `Checkpoint` to come after the callbacks that train, and has to be listed after `LastCheckpoint`.
    """

    def __init__(self) -> None:
        self._asked: signal.Signals | None = None
        self._saved: signal.Signals | None = None
        self._before: dict[int | signal.Signals, Any] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Before any worker is started: they inherit what is done here."""
        self._before = {which: signal.getsignal(which) for which in (*STOP, *REQUEUE)}
        signal.pthread_sigmask(signal.SIG_BLOCK, REQUEUE)
        self._listen()

    def _listen(self) -> None:
        if self._asked is None:
            for which in (*STOP, *REQUEUE):
                signal.signal(which, self._heed)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        self._asked = signal.Signals(number)
        log.info("%s: the run ends after this batch", self._asked.name)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

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
        asked = self._agreed(trainer)
        if asked is not None and not trainer.is_last_batch and not trainer.fit_loop._should_accumulate():
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, LastCheckpoint):
                    callback.save(trainer)
            self._saved = asked

    def on_train_batch_start(self, *_: Any) -> None:
        """Now the scalars of the last batch have been logged."""
        if self._saved is not None:
            raise Interrupted(self._saved, self._saved in REQUEUE)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # type: ignore[override]
        self._leave(trainer)

    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # type: ignore[override]
        self._leave(trainer)

    def _leave(self, trainer: pl.Trainer) -> None:
        asked = self._agreed(trainer)
        if asked is not None:
            raise Interrupted(asked, asked in REQUEUE)

    def _agreed(self, trainer: pl.Trainer) -> signal.Signals | None:
        """The signal that any of the processes got, the same on all of them."""
        pending = signal.sigpending() & set(REQUEUE)  # blocked here, and no other thread took it
        own = self._asked or min(pending, default=None)
        if trainer.world_size == 1:
            return own
        agree = trainer.strategy.reduce_boolean_decision
        if not agree(own is not None, all=False):
            return None
        return next(which for which in (*STOP, *REQUEUE) if agree(own == which, all=False))

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Lightning will put back what it found, which was this."""
        trainer._signal_connector._original_handlers.update(self._before)
        if not isinstance(exception, Interrupted):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUEUE)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUEUE)
