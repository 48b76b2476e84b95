"""Lines about a run's progress, in its log file."""

import re
from pathlib import Path

import pytest
import torch

from tests.running import FIGURES, SCENES, run_door
from whysaid.callbacks.progress_log import NoProgressAtTerminal, ProgressLog, duration, loss_of

LINE = re.compile(r"step (\d+)(?:/12)?, epoch (\d), loss [\d.]+, (?:val/CIDEr [\d.]+, )?[\d.]+ steps/s, \d+ s left")


def lines(folder: Path) -> list[str]:
    return [
        line.split(": ", 1)[1] for line in (folder / "train.log").read_text().splitlines() if "progress_log" in line
    ]


@pytest.mark.usefixtures("plain_tokens")
def test_a_line_for_each_validation_and_each_stage(places: list[str]) -> None:
    ran = run_door("train", *SCENES, *FIGURES, *places, "trainer.max_epochs=2")
    written = lines(ran.folder)
    assert written[0].startswith("training GridTD on scenes: 48 images, from step 0 to step 12, on cpu, in ")
    at = [LINE.fullmatch(line) for line in written[1:3]]
    assert [match and match.groups() for match in at] == [("6", "0"), ("12", "1")]
    assert all("val/CIDEr" in line for line in written[1:3])
    assert written[3].startswith("testing GridTD on the test split") and written[4].startswith("tested in ")
    assert [line for line in ran.err.splitlines() if "progress_log" in line], "no terminal: the console has them too"
    assert not any("━" in line for line in (ran.out + ran.err).splitlines() if "%" in line)


@pytest.mark.usefixtures("plain_tokens")
def test_a_line_at_least_so_often(places: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step takes 25 seconds of this clock, so that the third one is the first to be due after a minute."""
    seconds = iter(range(0, 100_000, 25))
    monkeypatch.setattr(ProgressLog.__init__, "__defaults__", (60.0, lambda: float(next(seconds))))
    ran = run_door("train", *SCENES, *FIGURES, *places, "trainer.max_epochs=2", "test=false")
    steps = [int(match.group(1)) for line in lines(ran.folder) if (match := re.match(r"step (\d+)", line))]
    assert len(steps) > 2 and steps == sorted(steps) and {6, 12} <= set(steps)


def test_a_terminal_is_spared() -> None:
    import logging

    record = logging.LogRecord("any", logging.INFO, "any", 1, "text", None, None)
    progress = logging.LogRecord("any", logging.INFO, "any", 1, "text", None, None)
    progress.progress = True
    assert [NoProgressAtTerminal(True).filter(each) for each in (record, progress)] == [True, False]
    assert NoProgressAtTerminal(False).filter(progress)


def test_the_loss_is_the_steps_or_the_logged_one() -> None:
    assert loss_of({"loss": torch.tensor(2.0)}, {}) == 2.0
    assert loss_of(None, {"train/G_loss": torch.tensor(3.0)}) == 3.0
    assert loss_of(None, {}) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (11_100, "3 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
