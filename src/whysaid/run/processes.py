"""The further processes that a job starts: their command line, and their end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import open_dict, read_write


@contextmanager
def own_command() -> Iterator[None]:
    """Makes a job of a sweep look as if it had been started by itself.

    Lightning starts its other processes with this one's command line, and each would run the whole sweep; what it
    leaves in the environment would have the next job believe that it is one of them.
    """
    hydra: Any = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        yield
        return
    with read_write(hydra), open_dict(hydra):
        hydra.run.dir = hydra.runtime.output_dir
    kept = [override for override in hydra.overrides.hydra if not override.startswith(_OF_THE_SWEEP)]
    command, environment = sys.argv, dict(os.environ)
    sys.argv = [sys.argv[0], *hydra.overrides.task, *kept]
    try:
        yield
    finally:
        sys.argv = command
        os.environ.clear()
        os.environ.update(environment)


_OF_THE_SWEEP = ("hydra.mode", "hydra.sweep", "hydra/sweeper", "hydra.launcher", "hydra/launcher")


def leave_processes() -> None:
    """Leaves the group of processes, and ends the workers of data loaders that an early end has left over.

    A later job in this process, and an orderly exit, must find neither.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    _end_workers()


def _end_workers() -> None:
    """Kills the workers: they ignore the SIGTERM that Python sends at its exit, and it would wait for ever."""
    left = multiprocessing.active_children()
    if not left or threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes a worker's end for a fault
    for worker in left:
        worker.kill()
        worker.join()
    signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
