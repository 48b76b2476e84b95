"""Killed and continued: the run is the one that nothing happened to."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.running import FIGURES, SCENES, run_door

SETTINGS = [
    *SCENES,
    *FIGURES,
    "data.batch_size=4",
    "data.num_workers=1",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
    "callbacks.last.every_n_train_steps=5",
    "callbacks.ema={_target_: pytorch_lightning.callbacks.EMAWeightAveraging, decay: 0.9}",
    "scheduler.patience=0",
    "optimizer.lr=5e-3",
    "objective.scheduled_sampling={_target_: src.objectives.cross_entropy.ScheduledSampling, start: 5, every: 5}",
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
    command = [sys.executable, "-m", "src.train", *SETTINGS, f"paths.data_dir={data_dir}", f"hydra.run.dir={folder}"]
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
    from tests.running import without_java

    with without_java():
        ran = run_door("train", *SETTINGS, f"paths.data_dir={data_dir}", f"paths.output_dir={outputs}")
    return ran.folder


def assert_same_run(folder: Path, whole: Path) -> None:
    resumed, uninterrupted = load(folder), load(whole)
    for part in ("state_dict", "current_model_state"):
        for name, value in uninterrupted[part].items():
            assert torch.equal(resumed[part][name], value), name
    assert history(folder) == history(whole)
    assert (folder / "metrics.json").read_text() == (whole / "metrics.json").read_text()


def test_a_killed_run_continues_as_if_nothing_had_happened(data_dir: Path, whole: Path, tmp_path: Path) -> None:
    checkpoint = kill_in_mid_epoch(data_dir, tmp_path / "run", after=14)
    assert checkpoint["global_step"] % 12, "killed between epochs"
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert checkpoint["global_step"] < 36
    ran = run_door("train", f"resume={tmp_path / 'run'}")
    assert ran.folder == tmp_path / "run"
    assert_same_run(tmp_path / "run", whole)


def test_the_history_has_each_step_once(whole: Path) -> None:
    rows = history(whole)
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(36))
    assert [int(row["step"]) for row in rows if row["val/CIDEr"]] == [11, 23, 35]
    assert len({row["lr-Adam"] for row in rows if row.get("lr-Adam")}) >= 1


def test_a_finished_run_is_extended(data_dir: Path, whole: Path, tmp_path: Path) -> None:
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}"]
    folder = run_door("train", *SETTINGS, *places, "trainer.max_epochs=2").folder
    assert run_door("train", f"resume={folder}", "trainer.max_epochs=3").folder == folder
    assert_same_run(folder, whole)
