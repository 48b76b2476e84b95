"""The Java that three of pycocoevalcap's tools need."""

import shutil
from pathlib import Path

import pycocoevalcap.eval

from whysaid.metrics.score import Unavailable

PYCOCOEVALCAP = Path(pycocoevalcap.eval.__file__).parent
"""The folder that carries the tools' jars."""


def find_java() -> str:
    """Path of the `java` command; raises Unavailable where there is none."""
    java = shutil.which("java")
    if java is None:
        raise Unavailable("there is no `java` on the PATH", "install a Java runtime (8 or later)")
    return java
