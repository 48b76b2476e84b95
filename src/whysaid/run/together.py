"""A run of several processes: the port by which they meet, and the end of all where the first one fails."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytorch_lightning as pl

from whysaid.errors import UserError
from whysaid.run.interrupted import Interrupted

GRACE = 5.0
"""Seconds in which a further process may still say why it failed, before it is killed."""

GRACE_OF_INTERRUPTED = 30.0
"""Seconds in which the further processes of a run that was asked to end come to their own end."""


@contextmanager
def together(trainer: pl.Trainer, remedy: str) -> Iterator[None]:
    """Runs a block in which a trainer may start further processes; where it raises, they are ended.

    Args:
        trainer: of the run.
        remedy: what to do when one of its processes has died, for the user.

    Raises:
        UserError: the port is in use by another program, or a process of the run has died.
    """
    require_free_port(trainer)
    try:
        yield
    except BaseException as error:
        end_launched(trainer, GRACE_OF_INTERRUPTED if isinstance(error, Interrupted) else GRACE)
        what = lost(str(error)) if isinstance(error, RuntimeError) else ""
        if not what:
            raise
        raise UserError(f"{what}; {remedy}") from error


def require_free_port(trainer: pl.Trainer) -> None:
    """Raises UserError where the first process could not listen; the others would wait half an hour for it."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if trainer.world_size == 1 or trainer.global_rank != 0 or environment is None:
        return
    port = environment.main_port
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"the processes of this run cannot meet at port {port} ({error}): set the environment variable "
                "MASTER_PORT to another one"
            ) from None


def lost(message: str) -> str:
    """Explains torch's message about a process that was ended from outside; empty where it is about another fault."""
    if "EADDRINUSE" in message:
        return "another program has taken the port by which the processes of this run meet"
    if "DataLoader worker" in message:
        return "a process that loads images was killed, often for want of memory: lower data.num_workers"
    if any(word in message for word in ("gloo", "NCCL")) and any(word in message for word in _SILENT):
        return "another process of this run has died: its own last lines, or the system's log, say why"
    return ""


_SILENT = ("Connection closed", "Connection reset", "Broken pipe", "remote process exited", "timed out", "Timed out")


def end_launched(trainer: pl.Trainer, grace: float) -> None:
    """Ends the processes that Lightning has started for a trainer, after `grace` seconds by force."""
    launched = getattr(trainer.strategy.launcher, "procs", None) or []
    processes = [process for process in launched if isinstance(process, subprocess.Popen)]
    # Lightning's observer would kill this process too, before its error is printed
    launched[:] = [process for process in launched if process not in processes]
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        process.kill()
        process.wait()
