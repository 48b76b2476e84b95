"""The exception of a run that was asked to end, and what raises it outside of a training."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)
"""Signals that end a run: Ctrl-C; `kill`, `scancel`, or the end of a preempted job."""


class Interrupted(BaseException):
    """Raised on all processes alike; it is no `Exception`, so that no handler swallows it.

    Args:
        by: the signal.
        requeue: whether the SLURM job is to be started again.

    Attributes:
        explained: whether the user has been told what comes of it.
    """

    def __init__(self, by: signal.Signals, requeue: bool = False):
        super().__init__(by.name)
        self.by, self.requeue = by, requeue
        self.explained = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises Interrupted in the block, wherever it is, when a signal of `STOP` comes; the second has its usual effect.

    Only the main thread can listen for signals: in any other nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.signal(which, _interrupt) for which in STOP}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def usual_effect(which: int) -> None:
    """Gives a signal of `STOP` the effect that it has without any of our handlers."""
    signal.signal(which, signal.default_int_handler if which == signal.SIGINT else signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    usual_effect(number)
    raise Interrupted(signal.Signals(number))
