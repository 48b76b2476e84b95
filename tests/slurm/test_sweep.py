"""Sweeps on a real SLURM."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import FIGURES, SCENES
from tests.slurm.cluster import Cluster
from tests.slurm.test_train import LONG, last
from tests.waiting import wait
from whysaid.run.optuna_study import trials_left

pytestmark = pytest.mark.slurm


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


LAUNCHER = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=20"]

KEYS = {"partition": "Partition", "account": "Account", "constraint": "Features"}
"""Of the launcher → what SLURM calls it."""


def jobs(cluster: Cluster, sweep: Path) -> list[str]:
    """Ids of the jobs that a sweep has submitted."""
    every = cluster.call("scontrol", "-o", "show", "job").splitlines()
    told = [dict(field.split("=", 1) for field in line.split() if "=" in field) for line in every]
    found = [job["JobId"] for job in told if job.get("StdOut", "").startswith(str(sweep))]
    assert found, every
    return found


def test_hydra_submits_four_jobs(cluster: Cluster, data_dir: Path, tmp_path: Path) -> None:
    where = {"Partition": "short", "Account": "lab", "Features": "fast"}
    launcher = [*LAUNCHER, *(f"hydra.launcher.{key}={where[name]}" for key, name in KEYS.items())]
    staged = [f"cluster.stage={data_dir}", "cluster.setup='export WANDB_MODE=disabled'"]
    grid = ["model=adaptive,gridtd", "seed=1,2", f"paths.output_dir={tmp_path}/outputs"]
    command = [sys.executable, "-m", "src.train", "-m", *SCENES, *FIGURES, *launcher, *staged, *grid]
    ran = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stderr
    (sweep,) = (tmp_path / "outputs" / "train" / "multirun").iterdir()
    rows = table(sweep)
    assert sorted((row["model"], row["seed"]) for row in rows) == [
        ("adaptive", "1"), ("adaptive", "2"), ("gridtd", "1"), ("gridtd", "2")
    ]  # fmt: skip
    assert {row["status"] for row in rows} == {"done"} and all(float(row["test/CIDEr"]) >= 0 for row in rows)
    assert (sweep / "sweep.png").exists() and ran.stdout.splitlines()[-1] == str(sweep)
    for job in jobs(cluster, sweep):
        assert where.items() <= cluster.job(job).items()
    read = (sweep / "0" / "train.log").read_text() + (sweep / "0" / "config.yaml").read_text()
    assert "whysaid-" in read, "the data was read from its copy"


def test_an_array_shares_out_a_grid(cluster: Cluster, data_dir: Path, tmp_path: Path) -> None:
    options = ["--array=0-1", "--cpus-per-task=1", "--time=20", f"--output={tmp_path}/%a.log"]
    settings = [*SCENES, *FIGURES, f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    job = cluster.submit(*options, "slurm/sweep.sbatch", *settings, "seed=1,2,3")
    for task in (0, 1):
        assert cluster.ended(f"{job}_{task}") == "COMPLETED", (tmp_path / f"{task}.log").read_text()
    sweep = tmp_path / "outputs" / "train" / "multirun" / f"slurm-{job}"
    rows = table(sweep)
    assert sorted((row["job"], row["seed"]) for row in rows) == [("0", "1"), ("0.1", "3"), ("1", "2")]
    assert {row["status"] for row in rows} == {"done"}


def test_a_job_of_hydras_is_queued_again_and_goes_on(cluster: Cluster, data_dir: Path, tmp_path: Path) -> None:
    """By the signal that submitit has SLURM send before the time limit."""
    settings = [*LAUNCHER, f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs", "seed=1"]
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "src.train", "-m", *LONG, *settings]
        process = subprocess.Popen(command, env=cluster.environment, stdout=log, stderr=log)
    folders = tmp_path / "outputs" / "train" / "multirun"
    wait(lambda: list(folders.glob("*/0/checkpoints/last.ckpt")), 120, (tmp_path / "log").read_text)
    (sweep,) = folders.iterdir()
    (job,) = jobs(cluster, sweep)
    cluster.call("scancel", "--signal=USR2", job)
    wait(lambda: cluster.job(job)["Restarts"] == "1", 60, lambda: cluster.job(job))
    assert process.wait(180) == 0, (tmp_path / "log").read_text()
    assert "SLURM has started this job again" in (sweep / "0" / "train.log").read_text()
    assert last(sweep / "0")["global_step"] == 96 and [row["status"] for row in table(sweep)] == ["done"]


def test_an_array_shares_out_the_trials_of_a_study(cluster: Cluster, data_dir: Path, tmp_path: Path) -> None:
    options = ["--array=0-1", "--cpus-per-task=1", "--time=20", f"--output={tmp_path}/%a.log"]
    settings = [*SCENES, *FIGURES, "test=false", f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    study = ["sweep=optuna", "hydra.sweeper.study_name=shared", "sweep.trials=3"]
    job = cluster.submit(*options, "slurm/sweep.sbatch", *settings, *study, "optimizer.lr=interval(0.001,0.01)")
    for task in (0, 1):
        assert cluster.ended(f"{job}_{task}") == "COMPLETED", (tmp_path / f"{task}.log").read_text()
    folder = tmp_path / "outputs" / "train" / "multirun" / "shared"
    rows = table(folder)
    assert sorted(row["job"] for row in rows) == [f"slurm-{job}_0/0", f"slurm-{job}_0/1", f"slurm-{job}_1/0"]
    assert {row["status"] for row in rows} == {"done"}
    assert trials_left(f"sqlite:///{folder}/study.db", "shared", 3) == 0


def test_an_array_with_gaps_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit("--array=0,2", f"--output={tmp_path}/%a.log", "slurm/sweep.sbatch", *SCENES, "seed=1,2")
    assert cluster.ended(f"{job}_2") == "FAILED" and "without gaps" in (tmp_path / "2.log").read_text()
