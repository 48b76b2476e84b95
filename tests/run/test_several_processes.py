"""Two processes on the CPU: the metrics of one, a run directory like any other, and no hanging."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.doors.test_train_inpainting import SCENES as INPAINTING
from tests.running import FIGURES, SCENES, last_of_each, only, run_door
from whysaid.tasks.writer import Writer

CAPTION_METRICS = (only("test", "CIDEr", "BLEU", "hallucination"), "metrics.test.hallucination.min_count=1")
TWO = ("trainer=ddp_cpu", "trainer.strategy=ddp_fork")
"""Forked: this process starts them."""


SAID = ("a red ball next to a tree", "a large blue car above a small star", "two cats and a cup")
"""More objects than a captioner of two epochs speaks of."""


def metrics(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text())


def predictions(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "predictions_test.json").read_text())


@pytest.mark.usefixtures("plain_tokens")
def test_captions_and_hallucination_are_scored_as_by_one(
    finished: Path, places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """13 images in batches of 3: the shares are 7 and 6, and one image is captioned twice."""
    monkeypatch.setattr(Writer, "captions", lambda _, batch, __: {i: SAID[i % 3] for i in batch.image_ids.tolist()})
    odd = ["data.limits={test: 13}", "data.eval_batch_size=3", "data.num_workers=1", "logger=none", *CAPTION_METRICS]
    given = [f"ckpt={finished}/checkpoints/best.ckpt", *odd, "trainer.enable_progress_bar=false", *places]
    alone, together = run_door("evaluate", *given).folder, run_door("evaluate", *given, *TWO).folder
    assert {"test/CIDEr", "test/BLEU-4", "test/CHAIRs", "test/CHAIRi", "test/object_mAP"} <= metrics(alone).keys()
    assert metrics(together) == pytest.approx(metrics(alone), abs=1e-12)
    assert predictions(together) == predictions(alone) and len(predictions(alone)) == 13


def test_completed_pictures_are_scored_as_by_one(places: list[str]) -> None:
    """15 pictures and 6 removed objects, FID among the scores."""
    settings = [*INPAINTING, *places, "trainer.max_epochs=1", "test=false"]
    trained = run_door("train", *settings).folder
    encoder = "{_target_: whysaid.models.encoders.scenes_cnn.ScenesCNN, widths: [4, 4], image_size: 24}"
    given = [f"ckpt={trained}/checkpoints/best.ckpt", "logger=none", "data.limits={test: 15}", *places]
    kept = ["~metrics", "callbacks=inpainting_evaluation", "data.eval_batch_size=4", "seed=1"]
    scored = [
        "~callbacks.metrics.features",
        f"+callbacks.metrics.features={encoder}",
        "callbacks.metrics.lpips=null",
        "callbacks.metrics.biharmonic=20",
        "callbacks.samples=null",
    ]
    alone = run_door("evaluate", *given, *kept, *scored).folder
    together = run_door("evaluate", *given, *kept, *scored, *TWO).folder
    assert {"test/FID", "test/L1_hole", "test/PSNR", "test/removed_L1_hole"} <= metrics(alone).keys()
    assert metrics(together) == pytest.approx(metrics(alone), rel=1e-4)


def command(data_dir: Path, *overrides: str, sweep: bool = False) -> list[str]:
    settings = [*SCENES, "trainer=ddp_cpu", f"paths.data_dir={data_dir}"]
    return [
        sys.executable,
        "-m",
        "src.train",
        *(["-m"] if sweep else []),
        *last_of_each([*settings, *overrides]),
    ]


ENVIRONMENT = {**os.environ, "PATH": "", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
"""No Java, which only costs time."""


def test_a_training_leaves_what_one_process_leaves(data_dir: Path, tmp_path: Path) -> None:
    """All that draws and logs is on: it happens in the first process alone."""
    logged = ["logger=wandb", "trainer.log_every_n_steps=1", "trainer.max_epochs=2", "callbacks.heat_maps.words=2"]
    given = command(data_dir, *logged, f"hydra.run.dir={tmp_path}/run")
    ran = subprocess.run(given, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    folder = Path(ran.stdout.splitlines()[-1])
    assert folder == tmp_path / "run" and {path.name for path in tmp_path.iterdir()} == {"run"}
    last = torch.load(folder / "checkpoints" / "last.ckpt", "cpu", weights_only=True)
    assert last["global_step"] == 6  # 48 images, 8 to a process, two epochs
    names = {path.name for path in folder.iterdir()}
    assert {"train.log", "train_ddp_process_1.log", "metrics.json", "metrics.csv", "wandb", "figures"} <= names
    steps = [line.split(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()[1:]]
    assert steps == [str(step) for step in range(7)]
    assert len(list(folder.glob("wandb/offline-run-*"))) == 1


def test_a_sweep_of_trainings_with_two_processes(data_dir: Path, tmp_path: Path) -> None:
    grid = [*FIGURES, "seed=1,2", "test=false", f"paths.output_dir={tmp_path}/outputs"]
    ran = subprocess.run(
        command(data_dir, *grid, sweep=True), env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    (sweep,) = (tmp_path / "outputs" / "train" / "multirun").iterdir()
    assert all((sweep / job / "checkpoints" / "last.ckpt").exists() for job in "01")
    assert [path.name for path in (tmp_path / "outputs" / "train").iterdir()] == ["multirun"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run(data_dir: Path, tmp_path: Path, rank: int) -> None:
    long = [*FIGURES, "trainer.max_epochs=500", "trainer.check_val_every_n_epoch=500", f"hydra.run.dir={tmp_path}/run"]
    given = command(data_dir, *long)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(given, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
    wait_for_steps(tmp_path / "run", process, tmp_path / "log")
    os.kill(process.pid if rank == 0 else child(process.pid), signal.SIGKILL)
    begun = time.monotonic()
    assert process.wait(60) != 0
    while running(process.pid):
        assert time.monotonic() - begun < 60, "another process of the run goes on"
        time.sleep(0.5)
    said = (tmp_path / "log").read_text()
    assert "error: another process of this run has died" in said or "terminated with code -9" in said


def wait_for_steps(folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until rank 0 has logged that training is under way."""
    deadline = time.monotonic() + 120
    while not (folder / "metrics.csv").exists():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def child(pid: int) -> int:
    """The process that Lightning started."""
    found = [path for path in Path("/proc").glob("[0-9]*") if parent(path) == pid]
    return next(int(path.name) for path in found if b"src.train" in (path / "cmdline").read_bytes())


def running(group: int) -> bool:
    """Whether a process of a session still runs."""
    return any(fields(path)[3:4] == [str(group)] and fields(path)[0] != "Z" for path in Path("/proc").glob("[0-9]*"))


def parent(path: Path) -> int:
    return int((fields(path) or ["", "0"])[1])


def fields(path: Path) -> list[str]:
    """State, parent, group, session … of a process; empty where it has gone."""
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
