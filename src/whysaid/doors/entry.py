"""The doors as they are called: a signal is answered in one line from the first moment on.

Importing torch and Lightning takes seconds, in which Python would answer Ctrl-C with the stack trace of an import. So
this module imports neither, and whatever calls a door imports nothing but this module. The further processes that a
door starts import the caller too, and need none of those libraries.
"""

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from types import FrameType


def open_door(name: str) -> None:
    """Calls the main function of a door; a signal while it is imported ends the process at once.

    Args:
        name: of the door.
    """
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, leave_at_once)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a locale without the letters of a caption costs these, and no result
            stream.reconfigure(errors="backslashreplace")
    try:
        door = import_module(f"whysaid.doors.{name}")
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        said = " ".join(str(error).split())
        if not isinstance(error, MemoryError) and not any(sign in said for sign in _NO_ROOM):
            raise
        sys.exit(f"error: there is too little memory to load the libraries ({said[-200:]}): give the process more")
    door.main()


_NO_ROOM = ("failed to map segment", "annot allocate memory", "not enough memory", "can't start new thread")
"""What the loader of libraries, the system and Python say of it."""


def leave_at_once(number: int, frame: FrameType | None) -> None:
    """Ends the process by no exception, which a library that is being imported might catch."""
    if os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("SLURM_PROCID", "0") == "0":
        os.write(2, f"{signal.Signals(number).name}: ended before anything was begun\n".encode())
    os._exit(128 + number)


def train() -> None:
    """Opens the door `whysaid-train`."""
    open_door("train")


def evaluate() -> None:
    """Opens the door `whysaid-evaluate`."""
    open_door("evaluate")


def explain() -> None:
    """Opens the door `whysaid-explain`."""
    open_door("explain")


def prepare() -> None:
    """Opens the door `whysaid-prepare`."""
    open_door("prepare")


def app() -> None:
    """Opens the door `whysaid-app`."""
    open_door("app")
