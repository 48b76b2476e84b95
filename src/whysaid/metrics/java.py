"""The Java that three of pycocoevalcap's tools need."""

import shutil
from pathlib import Path

import pycocoevalcap.eval

from whysaid.metrics.score import Unavailable

PYCOCOEVALCAP = Path(pycocoevalcap.eval.__file__).parent
"""The folder that carries the tools' jars."""


ENGLISH = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
"""Options of `java` by which numbers are written with a decimal point and text in UTF-8, whatever the user's locale."""


def find_java() -> str:
    """Path of the `java` command; raises Unavailable where there is none."""
    java = shutil.which("java")
    if java is None:
        raise Unavailable("there is no `java` on the PATH", "install a Java runtime (8 or later)")
    return java


def cause(output: str) -> str:
    """Returns the line of what a Java program has written that looks like the cause of its end; empty where none is."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("Picked up ")]
    causes = [line for line in lines if any(sign in line for sign in ("Exception", "ERROR", "Error", "Killed"))]
    return next(iter(causes or lines), "")[:300]
