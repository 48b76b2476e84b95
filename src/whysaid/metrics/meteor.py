"""METEOR, by its own Java program."""

import subprocess
from contextlib import suppress
from threading import Timer

from whysaid.metrics.java import PYCOCOEVALCAP, find_java
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
        process = self._start()
        watchdog = Timer(self.timeout, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            return {"METEOR": _converse(process, hypotheses, references)}
        except (OSError, ValueError) as error:
            reason = f"METEOR's Java process ended early or gave no number ({error})"
            raise Unavailable(reason, "see that 2 GB of memory are free for it") from error
        finally:
            watchdog.cancel()
            process.kill()
            with suppress(OSError):
                process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        command = [find_java(), "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", str(_JAR)]
        command += ["-", "-", "-stdio", "-l", "en", "-norm"]
        # Nobody reads its stderr while captions are scored: a pipe there would fill up and block both sides.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )


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
