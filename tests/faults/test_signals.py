"""Asked to end: with a checkpoint, the metrics so far, and a status that says so."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.running import FIGURES, SCENES, run_door, without_java

SETTINGS = [
    *SCENES,
    *FIGURES,
    "data.batch_size=4",
    "data.num_workers=1",
    "trainer.max_epochs=6",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
    "callbacks.last.every_n_train_steps=5",
]


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str


def trained_on(data_dir: Path) -> list[str]:
    return [*SETTINGS, f"paths.data_dir={data_dir}"]


def interrupted(data_dir: Path, folder: Path, which: signal.Signals, *overrides: str, alone: bool = False) -> Ended:
    """Signals a run, and all that it has started, as a terminal and SLURM do, once it has a checkpoint.

    `alone`: only its first process, as `kill` does.
    """
    settings = [*trained_on(data_dir), f"hydra.run.dir={folder}", *overrides]
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", *settings],
        env={**os.environ, "PATH": ""},  # no Java
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    (os.kill if alone else os.killpg)(process.pid, which)
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", "cpu", weights_only=True)["state_dict"]


@pytest.mark.parametrize(
    ("which", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138)], ids=lambda v: str(v)
)
def test_a_run_that_is_asked_to_end(data_dir: Path, tmp_path: Path, which: signal.Signals, code: int) -> None:
    ended = interrupted(data_dir, tmp_path / "run", which)
    assert ended.code == code and "Traceback" not in ended.err, ended.err
    assert f"{which.name}: the run has ended early; `python -m src.train resume={tmp_path}/run`" in ended.err
    assert ended.out.splitlines()[-1] == f"{tmp_path}/run"
    assert "train/loss" in json.loads((tmp_path / "run" / "metrics.json").read_text())
    if which != signal.SIGTERM:
        return
    with without_java():
        assert run_door("train", f"resume={tmp_path}/run").code == 0
        whole = run_door("train", *trained_on(data_dir), f"hydra.run.dir={tmp_path}/whole").folder
    resumed, uninterrupted = weights(tmp_path / "run"), weights(whole)
    assert all(torch.equal(resumed[name], value) for name, value in uninterrupted.items())
    assert (tmp_path / "run" / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT], ids=lambda v: str(v))
def test_a_run_whose_workers_know_nothing_of_it(data_dir: Path, tmp_path: Path, which: signal.Signals) -> None:
    """They are ended too, and leave no message."""
    ended = interrupted(data_dir, tmp_path / "run", which, alone=True)
    assert ended.code == 128 + which and "Traceback" not in ended.err, ended.err
    assert ended.out.splitlines()[-1] == f"{tmp_path}/run" and "DataLoader worker" not in ended.err


def test_two_processes_that_are_asked_to_end(data_dir: Path, tmp_path: Path) -> None:
    """They agree on the batch, and the run goes on to the weights of one that was not interrupted."""
    two = ["trainer=ddp_cpu", "trainer.strategy=ddp", "trainer.max_epochs=3"]
    ended = interrupted(data_dir, tmp_path / "run", signal.SIGTERM, *two)
    assert ended.code == 143 and "Traceback" not in ended.err, ended.err
    assert ended.out.splitlines()[-1] == f"{tmp_path}/run"
    stopped = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert 5 <= stopped < 18  # three epochs of 48 images, 4 to a process
    for given in ([f"resume={tmp_path}/run"], [*trained_on(data_dir), *two, f"hydra.run.dir={tmp_path}/whole"]):
        command = [sys.executable, "-m", "src.train", *given]
        ran = subprocess.run(command, env={**os.environ, "PATH": ""}, capture_output=True, text=True, timeout=200)
        assert ran.returncode == 0, ran.stderr
    resumed, uninterrupted = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(resumed[name], value) for name, value in uninterrupted.items())
