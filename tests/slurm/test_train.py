"""Trainings on a real SLURM."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.running import FIGURES, SCENES, last_of_each, run_door, without_java
from tests.slurm.cluster import Cluster
from tests.waiting import wait
from whysaid.run.resolvers import run_id

pytestmark = pytest.mark.slurm

LONG = [
    *SCENES,
    *FIGURES,
    "data.batch_size=4",
    "data.num_workers=1",
    "trainer.max_epochs=8",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
    "callbacks.last.every_n_train_steps=5",
    "scheduler.patience=0",
]
"""12 steps an epoch, of which 5 is no divisor."""


def submitted(
    cluster: Cluster, outputs: Path, overrides: Sequence[str], *options: str, **variables: str
) -> tuple[str, Path]:
    """A training's job id and run directory."""
    given = ["--cpus-per-task=1", "--time=20", f"--output={outputs}.log", *options]
    job = cluster.submit(*given, "slurm/train.sbatch", *overrides, f"paths.output_dir={outputs}", **variables)
    return job, outputs / "train" / f"slurm-{job}"


def said(outputs: Path) -> str:
    return Path(f"{outputs}.log").read_text()


def last(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", "cpu", weights_only=True)


def process(job: str, rank: int, outputs: Path) -> int:
    """The process id of a task's training itself, not of a worker that it started, nor of another cluster's job."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(entry.partition("=")[::2] for entry in (folder / "environ").read_text().split("\0"))
            command = (folder / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if (environment.get("SLURM_JOB_ID"), environment.get("SLURM_PROCID")) == (job, str(rank)):
            found += (
                [int(folder.name)]
                if f"{outputs}" in command and "src.train" in command and "task.sh" not in command
                else []
            )
    return min(found)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def test_two_nodes_train_together(cluster: Cluster, data_dir: Path, outputs: Path) -> None:
    """On a copy of the data, after a line of shell."""
    settings = [*SCENES, *FIGURES, "trainer=ddp_cpu"]
    options, variables = ["--nodes=2", "--gpus-per-node=1"], {"STAGE": str(data_dir), "SETUP": "echo set up"}
    job, folder = submitted(cluster, outputs, settings, *options, **variables)
    assert cluster.ended(job) == "COMPLETED", said(outputs)
    copy = Path(cluster.environment["TMPDIR"], f"whysaid-{job}")
    assert OmegaConf.load(folder / "config.yaml").paths.data_dir == str(copy) and not copy.exists()
    assert said(outputs).count("set up") == 2
    assert [path.name for path in (outputs / "train").iterdir()] == [f"slurm-{job}"]
    assert {"test/CIDEr", "val/CIDEr"} <= json.loads((folder / "metrics.json").read_text()).keys()
    assert last(folder)["global_step"] == 3  # 48 images, 8 to a process
    assert (folder / "train_1.log").exists()


def interrupted(cluster: Cluster, outputs: Path, overrides: Sequence[str], *options: str) -> Path:
    """The run directory of a training that SLURM tells in mid-epoch to save and to queue again, when it has ended."""
    job, folder = submitted(cluster, outputs, overrides, *options)
    wait((folder / "checkpoints" / "last.ckpt").exists, 120, lambda: said(outputs))
    cluster.call("scancel", "--signal=USR1", job)
    wait(lambda: cluster.job(job)["Restarts"] == "1", 60, lambda: said(outputs))
    stopped = last(folder)["global_step"]
    assert cluster.ended(job) == "COMPLETED", said(outputs)
    assert 5 <= stopped < last(folder)["global_step"] and "SIGUSR1: the run has ended early" in said(outputs)
    assert "SLURM has started this job again" in said(outputs)
    return folder


def same_end(folder: Path, whole: Path) -> None:
    """Two trainings ended with the same weights and logged the same figures."""
    assert last(folder)["global_step"] == last(whole)["global_step"]
    for name, value in last(whole)["state_dict"].items():
        assert torch.equal(last(folder)["state_dict"][name], value), name
    assert (folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


def test_a_requeued_job_ends_as_if_nothing_had_happened(cluster: Cluster, data_dir: Path, outputs: Path) -> None:
    settings = [*LONG, f"paths.data_dir={data_dir}"]
    folder = interrupted(cluster, outputs, settings)
    with without_java():
        whole = run_door("train", *settings, f"paths.output_dir={outputs}/whole").folder
    same_end(folder, whole)
    assert last(whole)["global_step"] == 96


def test_so_does_one_of_two_nodes(cluster: Cluster, data_dir: Path, outputs: Path) -> None:
    settings = last_of_each([*LONG, "trainer=ddp_cpu", f"paths.data_dir={data_dir}", "trainer.max_epochs=6"])
    folder = interrupted(cluster, outputs, settings, "--nodes=2")
    job, whole = submitted(cluster, outputs.with_name("whole"), settings, "--nodes=2")
    assert cluster.ended(job) == "COMPLETED", said(outputs.with_name("whole"))
    same_end(folder, whole)
    assert last(whole)["global_step"] == 36


def test_a_killed_task_queues_the_job_again(cluster: Cluster, data_dir: Path, outputs: Path) -> None:
    settings = last_of_each([*LONG, "trainer=ddp_cpu", "logger=wandb", f"paths.data_dir={data_dir}"])
    job, folder = submitted(cluster, outputs, settings, "--nodes=2", WANDB_MODE="offline")
    wait((folder / "checkpoints" / "last.ckpt").exists, 120, lambda: said(outputs))
    os.kill(process(job, 1, outputs), signal.SIGKILL)
    wait(lambda: cluster.job(job)["Restarts"] == "1", 240, lambda: said(outputs))
    assert cluster.ended(job) == "COMPLETED", said(outputs)
    assert "a task was killed (status 137): the job is queued again" in said(outputs)
    assert last(folder)["global_step"] == 48 and (folder / "metrics.json").exists()
    runs = [path.name.split("-", 3)[3] for path in folder.glob("wandb/offline-run-*")]  # after the word and the time
    assert len(runs) == 2 and set(runs) == {run_id(str(folder))}, runs


def test_an_error_is_not_tried_again(cluster: Cluster, data_dir: Path, outputs: Path) -> None:
    settings = [*SCENES, f"paths.data_dir={data_dir}", "data.min_count=100000"]
    job, _ = submitted(cluster, outputs, settings)
    assert cluster.ended(job) == "FAILED" and cluster.job(job)["Restarts"] == "0"
    assert "error: no word occurs 100000 times" in said(outputs)
