"""Killed and continued: the run is the one that nothing happened to."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from tests.running import EMA, FIGURES, SCENES, run_door, without_java
from whysaid.callbacks.last_checkpoint import LastCheckpoint

SETTINGS = [
    *SCENES,
    *FIGURES,
    "data.batch_size=4",
    "data.num_workers=1",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
    "callbacks.last.every_n_train_steps=5",
    EMA,
    "scheduler.patience=0",
    "optimizer.lr=5e-3",
    "objective.scheduled_sampling={_target_: whysaid.objectives.cross_entropy.ScheduledSampling, start: 5, every: 5}",
]
"""12 steps an epoch, of which 5 is no divisor; dropout, sampled words, shuffled order, drawn captions, a plateau."""

pytestmark = pytest.mark.usefixtures("plain_tokens")


def load(folder: Path, name: str = "last") -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", "cpu", weights_only=True)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def kill_in_mid_epoch(data_dir: Path, folder: Path, after: int) -> dict:
    """Starts a run, kills it once it has a checkpoint of `after` steps or more, and returns that checkpoint."""
    command = [
        sys.executable,
        "-m",
        "src.train",
        *SETTINGS,
        f"paths.data_dir={data_dir}",
        f"hydra.run.dir={folder}",
    ]
    environment = {**os.environ, "PATH": ""}  # no Java, as in this process
    path, deadline = folder / "checkpoints" / "last.ckpt", time.monotonic() + 120
    with (folder.parent / "killed.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    while not path.exists() or load(folder)["global_step"] < after:
        assert process.poll() is None and time.monotonic() < deadline, (folder.parent / "killed.log").read_text()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return load(folder)


@pytest.fixture(scope="module")
def whole(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    outputs = tmp_path_factory.mktemp("whole")
    with without_java():
        ran = run_door("train", *SETTINGS, f"paths.data_dir={data_dir}", f"paths.output_dir={outputs}")
    return ran.folder


def assert_same_run(folder: Path, whole: Path) -> None:
    resumed, uninterrupted = load(folder), load(whole)
    assert set(resumed) == set(uninterrupted)
    for part in {"state_dict", "current_model_state"} & set(uninterrupted):
        for name, value in uninterrupted[part].items():
            assert torch.equal(resumed[part][name], value), name
    assert history(folder) == history(whole)
    assert (folder / "metrics.json").read_text() == (whole / "metrics.json").read_text()


def test_the_history_has_each_step_once_and_the_plateau_is_met(whole: Path) -> None:
    rows = history(whole)
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(36))
    assert [int(row["step"]) for row in rows if row["val/CIDEr"]][:3] == [11, 23, 35]
    assert rows[-1]["step"] == "36" and rows[-1]["test/CIDEr"]


def test_a_killed_run_continues_as_if_nothing_had_happened(data_dir: Path, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    checkpoint = kill_in_mid_epoch(data_dir, folder, after=14)
    assert 14 <= checkpoint["global_step"] < 36 and checkpoint["global_step"] % 12
    assert not (folder / "metrics.json").exists()
    assert run_door("train", f"resume={folder}").folder == folder
    assert_same_run(folder, whole)


class Killed(BaseException):
    """In place of a signal."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, *args: str) -> None:
    """A run that ends before the batch that follows `step` optimiser steps."""

    def on_train_batch_start(self: LastCheckpoint, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == step:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LastCheckpoint, "on_train_batch_start", on_train_batch_start)
        run_door("train", *args)


# saved in the first epoch; late in an epoch, of which the last batch would have been due; resumed twice
@pytest.mark.parametrize(("every", "stops"), [(5, [7]), (11, [13]), (12, [14]), (5, [12, 24])])
def test_wherever_it_is_killed(
    places: list[str], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, stops: list[int]
) -> None:
    folder = tmp_path / "run"
    settings = [*SETTINGS, "data.num_workers=0", *places, f"callbacks.last.every_n_train_steps={every}"]
    stop_at(monkeypatch, stops[0], *settings, f"hydra.run.dir={folder}")
    saved = load(folder)["global_step"]
    assert saved <= stops[0] and saved % 12, "a checkpoint at the last batch of an epoch"
    for stop in stops[1:]:
        stop_at(monkeypatch, stop, f"resume={folder}")
    assert run_door("train", f"resume={folder}").folder == folder
    assert_same_run(folder, whole)


def test_a_finished_run_is_extended(places: list[str], tmp_path: Path) -> None:
    settings = [*SETTINGS, *places, "data.num_workers=0"]
    short, long = tmp_path / "short", tmp_path / "long"
    run_door("train", *settings, f"hydra.run.dir={long}")
    run_door("train", *settings, f"hydra.run.dir={short}", "trainer.max_epochs=2")
    assert run_door("train", f"resume={short}", "trainer.max_epochs=3").folder == short
    for name in ("state_dict", "current_model_state", "optimizer_states"):
        torch.testing.assert_close(load(short)[name], load(long)[name], atol=0, rtol=0)
    assert load(short)["lr_schedulers"] == load(long)["lr_schedulers"]
    assert history(short) == history(long)
    assert OmegaConf.load(short / "config.yaml").trainer.max_epochs == 3


def test_max_steps_in_the_middle_of_an_epoch_is_raised(places: list[str], whole: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, *places, "data.num_workers=0"]
    folder = run_door("train", *settings, f"hydra.run.dir={tmp_path}/run", "trainer.max_steps=16", "test=false").folder
    assert run_door("train", f"resume={folder}", "trainer.max_steps=-1", "test=true").folder == folder
    assert_same_run(folder, whole)


@pytest.fixture
def stopped(places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory with a checkpoint to go on from."""
    stop_at(monkeypatch, 7, *SETTINGS, *places, "data.num_workers=0", f"hydra.run.dir={tmp_path}/stopped")
    return tmp_path / "stopped"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.bogus=1", "trainer.bogus"),
        ("model.hidden_dim=8", "does not fit this model"),
        ("data.min_count=3", "vocabulary"),
        ("trainer=default", "resume= keeps the groups of its run"),
        ("~callbacks.last", "resume= keeps the groups of its run"),
        ("trainer.accelerator=gpu", "No supported gpu backend found"),
        ("trainer.max_epochs=[1", "trainer.max_epochs=[1 cannot be read"),
    ],
)
def test_what_cannot_be_changed_on_the_way(stopped: Path, override: str, message: str) -> None:
    own = [stopped / "config.yaml", stopped / "metrics.csv", *(stopped / "checkpoints").iterdir()]
    before = {path: path.read_bytes() for path in own}
    assert message in run_door("train", f"resume={stopped}", override).error
    assert {path: path.read_bytes() for path in own} == before


def test_a_new_value_is_added_and_text_stays_text(stopped: Path) -> None:
    folder = run_door("train", f"resume={stopped}", "+note=2026_11_29", "logger.history.folder=${paths.run_dir}").folder
    saved = OmegaConf.load(folder / "config.yaml")
    assert saved.note == 20261129 and saved.logger.history.folder == str(stopped)


def test_a_file_is_no_run_directory(stopped: Path) -> None:
    error = run_door("train", f"resume={stopped}/checkpoints/last.ckpt").error
    assert "is a file: resume= takes the run directory" in error


def test_a_truncated_last_checkpoint(stopped: Path) -> None:
    path = stopped / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:5000])
    assert "last.ckpt is not a whole checkpoint" in run_door("train", f"resume={stopped}").error


def test_a_folder_without_a_run(tmp_path: Path, finished: Path) -> None:
    assert "there is no run directory" in run_door("train", f"resume={tmp_path}/nowhere").error
    (tmp_path / "half" / "checkpoints").mkdir(parents=True)
    (tmp_path / "half" / "checkpoints" / "last.ckpt").write_bytes((finished / "checkpoints/last.ckpt").read_bytes())
    assert "holds no config.yaml" in run_door("train", f"resume={tmp_path}/half").error


def test_the_checkpoint_is_renamed_when_whole(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the second checkpoint is being written: the first is still there."""
    save = torch.save

    def killed(content: dict[str, Any], file: BinaryIO) -> None:
        if content["global_step"] > 5 and "last" in file.name:
            file.write(b"half")
            raise Killed
        save(content, file)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(torch, "save", killed)
        run_door("train", *SETTINGS, *places, "data.num_workers=0", f"hydra.run.dir={tmp_path}/run")
    assert load(tmp_path / "run")["global_step"] == 5
