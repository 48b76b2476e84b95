"""Lines about a run's progress, in its log file."""

import logging
import re
from collections.abc import Sequence
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn

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


def line_after(
    caplog: pytest.LogCaptureFixture, steps: float, first: int = 0, timers: Sequence[Timer] = (), zero: bool = True
) -> str:
    """The line of the tenth step since training began at step `first`, each of which took two seconds."""
    now = 0.0
    data = SimpleNamespace(name="photos", images=lambda split: [], evaluated="test")
    trainer: Any = SimpleNamespace(
        estimated_stepping_batches=steps,
        global_step=first,
        current_epoch=0,
        callbacks=list(timers),
        callback_metrics={},
        datamodule=data,
        is_global_zero=zero,
        sanity_checking=False,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        strategy=SimpleNamespace(root_device="cpu"),
        default_root_dir="run",
    )
    callback, module = ProgressLog("val/CIDEr", 60.0, lambda: now), nn.Identity()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        callback.on_train_start(trainer, module)  # type: ignore[arg-type]
        now, trainer.global_step = 20.0, first + 10
        callback.on_validation_end(trainer, module)  # type: ignore[arg-type]
    return caplog.messages[-1] if caplog.messages else ""


class Remaining(Timer):
    """A limit of time with so many seconds left."""

    def __init__(self, seconds: float):
        super().__init__("00:01:00:00")
        self.seconds = seconds

    def time_remaining(self, stage: str = "train") -> float:
        return self.seconds


def test_the_time_left_is_that_to_whatever_ends_the_run_first(caplog: pytest.LogCaptureFixture) -> None:
    assert line_after(caplog, 100) == "step 10/100, epoch 0, 0.5 steps/s, 3 min left"
    assert line_after(caplog, 100, timers=[Remaining(30)]) == "step 10/100, epoch 0, 0.5 steps/s, 30 s left"
    assert line_after(caplog, 20, timers=[Remaining(300)]) == "step 10/20, epoch 0, 0.5 steps/s, 20 s left"
    assert line_after(caplog, inf, timers=[Remaining(30)]) == "step 10, epoch 0, 0.5 steps/s, 30 s left"


def test_nothing_is_said_of_an_end_that_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    assert line_after(caplog, inf) == "step 10, epoch 0, 0.5 steps/s"


def test_a_resumed_run_goes_on_at_the_speed_of_its_own_steps(caplog: pytest.LogCaptureFixture) -> None:
    assert line_after(caplog, 100, first=80) == "step 90/100, epoch 0, 0.5 steps/s, 20 s left"


def test_other_processes_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert line_after(caplog, 100, zero=False) == ""


def test_a_terminal_is_spared() -> None:
    record = logging.LogRecord("any", logging.INFO, "any", 1, "text", None, None)
    progress = logging.LogRecord("any", logging.INFO, "any", 1, "text", None, None)
    progress.progress = True
    assert [NoProgressAtTerminal(True).filter(line) for line in (record, progress)] == [True, False]
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
