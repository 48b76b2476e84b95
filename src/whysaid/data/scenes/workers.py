"""The processes that draw: whatever signal comes, the process that started them ends them and says what comes of it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, resource_tracker
from typing import TypeVar

T = TypeVar("T")

CHUNK = 50
"""Calls handed to a worker at a time."""


@contextmanager
def mapped(function: Callable[[int], T], count: int, workers: int) -> Iterator[Iterator[T]]:
    """Gives `function` of 0 … count − 1, in this order, computed in this process or in a pool of `workers`."""
    if workers <= 1:
        yield map(function, range(count))
        return
    with ExitStack() as stack:
        with _undisturbed():  # spawned, not forked: the caller may hold threads or an accelerator
            pool = stack.enter_context(get_context("spawn").Pool(workers))
        yield pool.imap(function, range(count), CHUNK)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds signals back until the block ends; the processes that are started in it never hear of Ctrl-C.

    A process whose start is broken off, or that a terminal's Ctrl-C reaches, would leave a stack trace.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    resource_tracker.ensure_running()  # it lets Ctrl-C through again wherever it is started
    handlers = {which: signal.signal(which, lambda number, _: received.append(number)) for which in _STOP}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit it, and no handlers
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for which, handler in handlers.items():
            signal.signal(which, handler)
        for number in received:
            signal.raise_signal(number)


_STOP = (signal.SIGINT, signal.SIGTERM)
