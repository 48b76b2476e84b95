"""A run directory is written by one run at a time: two that go on in it at once would damage it."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAGAIN
from pathlib import Path
from typing import IO

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from whysaid.errors import UserError
from whysaid.run import slurm

log = logging.getLogger(__name__)

LOCK = ".lock"
"""Name of the file in a run directory that is locked; it says who holds it, and stays."""

AFTER_A_CRASH = 120.0
"""Seconds that a requeued job waits: a file server keeps the lock of a node that has died for some 90 seconds."""


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Holds the run directory until the block ends; the kernel lets go of it when the process dies, however it dies.

    Processes other than the first hold nothing, and neither do workers that this one forks. Where the file system
    knows no locks a warning says so, and the run goes on.

    Raises:
        UserError: another run holds it.
    """
    if getattr(rank_zero_only, "rank", 0):
        yield
        return
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        _lock(file, folder, AFTER_A_CRASH if slurm.restarts() else 0.0)
        yield


def _lock(file: IO[str], folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock's, no child inherits it
        except OSError as error:
            if error.errno not in (EACCES, EAGAIN):
                log.warning("%s cannot be locked (%s): see that no second run goes on in it", folder, error.strerror)
                return
            if time.monotonic() >= deadline:
                raise UserError(_held(file, folder)) from None
            time.sleep(1)
            continue
        file.truncate(0)
        file.write(f"process {os.getpid()} of {socket.gethostname()}")
        file.flush()
        return


def _held(file: IO[str], folder: Path) -> str:
    file.seek(0)
    holder = " ".join(file.read(200).split()) or "another process"
    return (
        f"{folder} is in use: {holder} trains in it; wait until it has ended, or end it (if it runs no more, delete "
        f"{folder / LOCK})"
    )
