"""Weights sharded over two processes (FSDP): the same training as with the whole weights in each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.doors.test_tuning import tuned
from tests.running import SCENES

TWO = ("trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true")


def ran(*settings: str) -> subprocess.CompletedProcess[str]:
    """A training in a process of its own, which starts the other; without Java."""
    command = [sys.executable, "-m", "src.train", *settings]
    return subprocess.run(command, env={**os.environ, "PATH": ""}, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def trained(hub_folder: Callable[[str], Path], data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directories of a training that is sharded and of one that is not, `fsdp` and `ddp`. Read only."""
    folder = tmp_path_factory.mktemp("sharding")
    settings = tuned(hub_folder("blip"), [f"paths.data_dir={data_dir}"], *TWO, "trainer.gradient_clip_algorithm=norm")
    for trainer in ("fsdp", "ddp"):
        process = ran(*settings, f"trainer={trainer}", f"hydra.run.dir={folder}/{trainer}")
        assert process.returncode == 0, process.stderr
        assert "sync_dist" not in process.stderr
    return folder


def last(folder: Path) -> dict[str, object]:
    content: dict[str, object] = torch.load(folder / "checkpoints" / "last.ckpt", "cpu", weights_only=True)
    return content


def test_weights_and_metrics_are_those_of_ddp(trained: Path) -> None:
    sharded, whole = last(trained / "fsdp"), last(trained / "ddp")
    assert sharded["global_step"] == whole["global_step"] == 2
    torch.testing.assert_close(sharded["state_dict"], whole["state_dict"], atol=1e-5, rtol=1e-5)
    found, expected = (json.loads((trained / kind / "metrics.json").read_text()) for kind in ("fsdp", "ddp"))
    assert found == pytest.approx(expected, abs=1e-4) and "test/CIDEr" in found
    assert (trained / "fsdp" / "checkpoints" / "best" / "model.safetensors").exists()


def test_a_run_goes_on(trained: Path) -> None:
    process = ran(f"resume={trained}/fsdp", "trainer.max_epochs=2")
    assert process.returncode == 0, process.stderr
    assert last(trained / "fsdp")["global_step"] == 4


def test_other_models_are_not_sharded(data_dir: Path, tmp_path: Path) -> None:
    process = ran(*SCENES, *TWO, "trainer=fsdp", f"paths.data_dir={data_dir}", f"hydra.run.dir={tmp_path}/run")
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert "error: trainer=fsdp shards the weights of a model of transformers" in process.stderr
