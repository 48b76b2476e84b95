"""What a door says of itself: --help, and TAB in a shell."""

import subprocess
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra

from tests.running import run_door
from whysaid.doors.completion import completion_script
from whysaid.run.conf import DOORS


def test_the_doors_are_all_there() -> None:
    assert {"evaluate", "explain", "prepare", "train"} <= set(DOORS)


@pytest.mark.parametrize("door", DOORS)
def test_help_begins_with_what_the_door_does(door: str) -> None:
    lines = run_door(door, "--help").out.splitlines()
    assert lines[0].endswith(".") and len(lines[0]) <= 120 and lines[1] == "" and lines[2] == "Examples:"
    examples, others = lines[3:6], lines[8 : 8 + len(DOORS) - 1]
    assert all(line.startswith(f"python -m src.{door}") for line in examples) and lines[6] == ""
    assert lines[7] == "The other doors:"
    assert {line.split()[2].removeprefix("src.") for line in others} == {other for other in DOORS if other != door}
    text = "\n".join(lines)
    assert ("\nstudy: " in text) == (door == "evaluate") and ("\nexperiment: " in text) == (door == "train")
    assert "seed: 42" in lines


def completed(line: str, folder: Path = Path()) -> list[str]:
    """What bash offers at the end of a line."""
    script = completion_script() + (
        'COMP_LINE="$1" COMP_POINT=${#1}; COMP_WORDBREAKS=$\' \\t\\n"><=;|&(:\'; _whysaid_complete 2>/dev/null\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, cwd=folder)
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("python -m src.train model=a", ["adaptive", "aoa"]),
        ("python3.11 -m src.train seed=1 trainer.max_e", ["trainer.max_epochs="]),
        ("whysaid-explain attribution=guided_b", ["guided_backprop"]),
        ("python setup.py mod", []),
    ],
)
def test_tab_completes_the_doors_as_they_are_typed(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_tab_completes_files_behind_the_sign(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    assert completed("python -m src.explain image=pho", tmp_path) == ["photo.jpg"]


def test_the_script_is_printed_by_each_door_and_for_bash_alone() -> None:
    assert run_door("prepare", "-sc", "install=bash").out == completion_script()
    assert "completion is for bash" in run_door("prepare", "-sc", "install=zsh").error


def test_help_may_be_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """`… --help | head` leaves no stack trace."""

    def cut(*args: object, **kwargs: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Hydra, "app_help", cut)
    ran = run_door("prepare", "--help")
    assert ran.code == 1 and ran.err == ""
