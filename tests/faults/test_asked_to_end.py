"""A signal at any other moment than in a training: one line, a status that says so, and nothing left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.faults.table import Kind
from tests.running import FIGURES, SCENES, only, run_door
from tests.waiting import wait
from whysaid.metrics.text import CIDEr
from whysaid.run.conf import DOORS

ROOT = Path(__file__).parents[2]

WHICH = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}

IMPORTING = Kind(
    "A signal while a door is imported",
    "One line, no stack trace, and the exit status 130 or 143.",
    {f"{name}, python -m src.{door}": (door, which) for door in DOORS for name, which in WHICH.items()},
)


def started(command: Sequence[str], path: str) -> subprocess.Popen[str]:
    """Starts Python in a session of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def still_running(session: int) -> list[str]:
    """The processes of a session that have not ended."""
    lines = subprocess.run(["ps", "-A", "-o", "sid=,stat=,args="], capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if line.split()[:1] == [str(session)] and not line.split()[1].startswith("Z")]


@IMPORTING.rows()
def test_a_door_that_is_imported(fault: tuple[str, signal.Signals], tmp_path: Path) -> None:
    door, which = fault
    (tmp_path / "pytorch_lightning.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    process = started(["-m", f"src.{door}"], str(tmp_path))
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(which)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + which, f"{which.name}: ended before anything was begun\n")


def test_a_further_process_of_a_door_says_nothing_and_imports_nothing() -> None:
    """It imports the module that was started; the libraries that this needs take seconds."""
    code = "import sys, src.train; print(sorted({'torch', 'hydra', 'numpy', 'pytorch_lightning'} & set(sys.modules)))"
    assert started(["-c", code], "src").communicate(timeout=30)[0] == "[]\n"


DRAWING = Kind(
    "A signal while a world is drawn",
    "All processes have ended, none with a message, and the pictures that are there are whole.",
    {
        f"{name} to {whom}": (which, whom == "the first process")
        for name, which in WHICH.items()
        for whom in ("all processes", "the first process")
    },
)

DRAW = """
import sys
from pathlib import Path
from whysaid.data.scenes.write import build_scenes
from whysaid.run.interrupted import Interrupted, interruptible
if __name__ == "__main__":
    try:
        with interruptible():
            build_scenes(Path(sys.argv[1]), size=48, workers=2)
    except Interrupted as stop:
        sys.exit(128 + stop.by)
"""


@DRAWING.rows()
def test_a_world_that_is_drawn(fault: tuple[signal.Signals, bool], tmp_path: Path) -> None:
    which, alone = fault
    script, world = tmp_path / "draw.py", tmp_path / "world"
    script.write_text(DRAW)
    process = started([str(script), str(world)], str(ROOT / "src"))
    wait(lambda: list(world.glob("train2017/*.png")), 60, process.poll)
    (os.kill if alone else os.killpg)(process.pid, which)
    out, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if "drawing scenes" not in line]
    assert (process.returncode, out, lines) == (128 + which, "", [])
    wait(lambda: not still_running(process.pid), 20, lambda: still_running(process.pid))
    for path in world.glob("train2017/*.png"):
        Image.open(path).load()


def test_a_world_whose_processes_are_just_being_started(tmp_path: Path) -> None:
    script, world = tmp_path / "draw.py", tmp_path / "world"
    script.write_text(DRAW)
    process = started([str(script), str(world)], str(ROOT / "src"))
    wait(lambda: (world / "train2017").is_dir(), 60, process.poll)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    wait(lambda: not still_running(process.pid), 20, lambda: still_running(process.pid))


AT_WORK = Kind(
    "A signal while a door prepares its work",
    "One line and the exit status 130 or 143.",
    {f"{name}, {door}": (door, which) for door in ("train", "evaluate", "explain") for name, which in WHICH.items()},
)


@AT_WORK.rows()
def test_a_door_at_work(fault: tuple[str, signal.Signals], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door, which = fault
    before = [signal.getsignal(each) for each in WHICH.values()]
    monkeypatch.setattr(f"whysaid.doors.{door}.run_dir", lambda: signal.raise_signal(which))
    given = [] if door == "train" else ["ckpt=x.ckpt"] if door == "evaluate" else ["ckpt=x.ckpt", "image=x.png"]
    ran = run_door(door, *given, f"paths.output_dir={tmp_path}")
    assert (ran.code, ran.out, ran.err) == (128 + which, "", f"{which.name}: ended before it was done\n")
    assert [signal.getsignal(each) for each in WHICH.values()] == before


SCORING = Kind(
    "A signal while captions are scored",
    "The door ends at once: no metric that is missing, or that a killed program left out, is written down as a result.",
    WHICH,
)


def scoring(monkeypatch: pytest.MonkeyPatch, which: signal.Signals) -> None:
    """Has the signal come in the middle of a metric."""

    def interrupted(*_: Any) -> None:
        signal.raise_signal(which)
        time.sleep(0.1)  # it is handled between two lines of Python
        pytest.fail("the metric went on")

    monkeypatch.setattr(CIDEr, "__call__", interrupted)


@SCORING.rows()
def test_an_evaluation(
    fault: signal.Signals, finished: Path, places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring(monkeypatch, fault)
    ran = run_door("evaluate", f"ckpt={finished}", "logger=none", only("test", "CIDEr"), *places)
    assert ran.code == 128 + fault and ran.err.splitlines()[-1] == f"{fault.name}: ended before it was done"
    assert "Traceback" not in ran.err and not list((tmp_path / "outputs").rglob("metrics.json"))


def test_the_test_of_a_training(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_tokens: None
) -> None:
    settings = [*SCENES, *FIGURES, *places, f"hydra.run.dir={tmp_path}/run"]
    with monkeypatch.context() as patched:
        scoring(patched, signal.SIGTERM)
        quiet = [only("val", "statistics"), "monitor=val/length", only("test", "CIDEr")]
        ran = run_door("train", *settings, *quiet)
    assert ran.code == 143 and "Traceback" not in ran.err
    assert f"SIGTERM: the run has ended early; `python -m src.train resume={tmp_path}/run` continues it" in ran.err
    assert run_door("train", f"resume={tmp_path}/run").code == 0
    assert "test/CIDEr" in (tmp_path / "run" / "metrics.json").read_text()
