"""METEOR, by its own Java program."""

import subprocess
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

from whysaid.metrics.java import ENGLISH, PYCOCOEVALCAP, cause, find_java
from whysaid.metrics.score import Hypotheses, References, Score, Unavailable

_JAR = PYCOCOEVALCAP / "meteor" / "meteor-1.5.jar"


class METEOR:
    """METEOR 1.5 (Denkowski & Lavie 2014) with the COCO evaluation's options; corpus level; 0–1.

    One Java process lives for one call and is ended with it, however the call ends.

    Args:
        timeout: seconds that a call may take before its process is ended and METEOR is reported unavailable.
    """

    names = ("METEOR",)

    def __init__(self, timeout: float = 3600.0):
        self.timeout = timeout

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        with TemporaryFile() as complaints:
            process = self._start(complaints)
            watchdog = Timer(self.timeout, process.kill)
            watchdog.daemon = True
            watchdog.start()
            try:
                return {"METEOR": _converse(process, hypotheses, references)}
            except (OSError, ValueError) as error:
                reason = _cause(complaints) or str(error)
                outgrown = (
                    (isinstance(error, OSError) and reason == str(error)) or "memory" in reason or "heap" in reason
                )
                remedy = "see that 2 GB of memory are free for it" if outgrown else _OTHERWISE
                raise Unavailable(f"METEOR's Java process ended early or gave no number ({reason})", remedy) from error
            finally:
                watchdog.cancel()
                process.kill()
                with suppress(OSError):
                    process.communicate()

    def _start(self, complaints: IO[bytes]) -> subprocess.Popen[str]:
        command = [find_java(), *ENGLISH, "-Xmx2G", "-jar", str(_JAR)]
        command += ["-", "-", "-stdio", "-l", "en", "-norm"]
        # Nobody reads its stderr while captions are scored: a pipe there would fill up and block both sides.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
            errors="replace",
        )


_OTHERWISE = "see that `java -version` is 8 or later and that _JAVA_OPTIONS changes nothing"


def _cause(complaints: IO[bytes]) -> str:
    """Returns what the program has said of its end on stderr."""
    complaints.seek(0)
    return cause(complaints.read().decode(errors="replace"))


def _converse(process: subprocess.Popen[str], hypotheses: Hypotheses, references: References) -> Score:
    statistics = []
    for i, hypothesis in hypotheses.items():
        fields = ["SCORE", *map(_field, references[i]), _field(hypothesis)]
        _send(process, fields)
        statistics.append(_receive(process))
    _send(process, ["EVAL", *statistics])
    per_image = {i: float(_receive(process)) for i in hypotheses}
    return Score(float(_receive(process)), per_image)


def _field(caption: str) -> str:
    return caption.replace("|||", "").replace("  ", " ")


def _send(process: subprocess.Popen[str], fields: list[str]) -> None:
    assert process.stdin is not None
    process.stdin.write(" ||| ".join(fields) + "\n")
    process.stdin.flush()


def _receive(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BrokenPipeError("no answer")
    return line.strip()
