"""Sweeps on a real SLURM."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import FIGURES, SCENES
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_hydra_submits_four_jobs(cluster: Cluster, data_dir: Path, tmp_path: Path) -> None:
    launcher = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=20"]
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
