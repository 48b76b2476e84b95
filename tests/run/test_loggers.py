"""Where a run's scalars, pictures and origins go."""

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import wandb
from hydra.utils import instantiate

from tests.running import FIGURES, SCENES, composed, run_door
from tests.wandb_file import read_config, read_history, read_records
from whysaid.run.provenance import data_fingerprint, git_revision
from whysaid.tasks.writer import Writer

pytestmark = pytest.mark.usefixtures("plain_tokens")

SMALL = [*SCENES, *FIGURES, "test=false"]


def written(folder: Path) -> list[Any]:
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return list(read_records(path))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()  # it reads the environment once in a process


@pytest.mark.usefixtures("offline")
def test_what_a_run_is_of_is_in_the_offline_file(places: list[str]) -> None:
    named = ["logger=wandb", "logger.wandb.tags=[small, quick]", "logger.wandb.log_model=true"]
    folder = run_door("train", *SMALL, *places, *named).folder
    records = written(folder)
    config = read_config(records)
    assert config["git_revision"] == git_revision() and len(config["data_fingerprint"]) == 16
    assert config["model"]["hidden_dim"] == 16
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert list(run.tags) == ["small", "quick"] and run.run_group == ""
    kept = [record.request.log_artifact.artifact for record in records if record.request.HasField("log_artifact")]
    kept += [record.artifact for record in records if record.WhichOneof("record_type") == "artifact"]
    assert {artifact.type for artifact in kept} == {"model"}
    (content,) = [entry for artifact in kept for entry in artifact.manifest.contents][:1]
    assert content.path == "model.ckpt" and content.size == (folder / "checkpoints" / "best.ckpt").stat().st_size


LOGGED = {
    "train/loss",
    "train/grad_norm",
    "lr-Adam/pg1",
    "val/CIDEr",
    "test/CIDEr",
    "test/CIDEr_human",
    "val/precision_tree",
    "test/recall_ball",
}
"""Scalars, one of each callback."""

TABLES = {"val/captions", "test/captions"}

PICTURES = {
    "val/attention": 4,
    "val/heat_maps": 2,
    "val/hallucinated_words": 1,
    "test/hallucinated_words": 1,
    "test/caption_sheet": 1,
}
"""And how many are logged together."""


@pytest.mark.usefixtures("offline")
def test_what_callbacks_log_is_in_the_offline_file(places: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("a red ball next to a tree", "two cats and a cup")
    monkeypatch.setattr(Writer, "captions", lambda _, batch, __: {i: said[i % 2] for i in batch.image_ids.tolist()})
    few = ["callbacks.hallucination.metric.min_count=1", "trainer.log_every_n_steps=1", "callbacks.heat_maps.words=2"]
    folder = run_door("train", *SCENES, *places, *few, "logger=wandb").folder
    row = {name: value for logged in read_history(written(folder)) for name, value in logged.items()}
    assert row.keys() >= LOGGED, LOGGED - row.keys()
    files = [row[f"{name}/path"] for name in TABLES]
    for name, count in PICTURES.items():
        assert len(row[f"{name}/filenames"]) == count, name
        files += row[f"{name}/filenames"]
    assert all(list(folder.glob(f"wandb/offline-run-*/files/{file}")) for file in files)


@pytest.mark.usefixtures("offline")
def test_the_jobs_of_a_sweep_are_a_group(places: list[str], tmp_path: Path) -> None:
    assert run_door("train", "-m", *SMALL, *places, "logger=wandb", "seed=1,2").code == 0
    (sweep,) = (tmp_path / "outputs" / "train" / "multirun").iterdir()
    groups = [
        record.run.run_group
        for job in "01"
        for record in written(sweep / job)
        if record.WhichOneof("record_type") == "run"
    ]
    assert set(groups) == {sweep.name}


def test_a_server_out_of_reach(places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    for name, value in {
        "WANDB_MODE": "online",
        "WANDB_BASE_URL": f"http://127.0.0.1:{port}",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_CONFIG_DIR": str(tmp_path),
        "NETRC": str(tmp_path / "netrc"),
    }.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()
    ran = run_door("train", *SMALL, *places, "logger=wandb", "logger.wandb.settings.init_timeout=2")
    log = (ran.folder / "train.log").read_text()
    assert log.count("W&B cannot be reached, so the run goes on offline") == 1
    assert f"`wandb sync {ran.folder}/wandb/offline-run-*`" in log
    assert read_config(written(ran.folder))["seed"] == 42


def test_tensorboard_and_csv(places: list[str]) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    folder = run_door("train", *SMALL, *places, "logger=tensorboard").folder
    assert list((folder / "tensorboard").glob("events.*")) and (folder / "metrics.csv").exists()
    folder = run_door("train", *SMALL, *places, "logger=csv").folder
    assert (folder / "metrics.csv").exists() and not (folder / "tensorboard").exists()


def test_a_fingerprint_is_of_content_and_not_of_place(data_dir: Path, tmp_path: Path) -> None:
    def of(root: Path) -> str:
        return data_fingerprint(instantiate(composed("train", tmp_path, *SCENES, f"paths.data_dir={root}").data))

    shutil.copytree(data_dir / "scenes", tmp_path / "other" / "scenes")
    assert of(data_dir) == of(tmp_path / "other")
    path = tmp_path / "other" / "scenes" / "annotations" / "captions_test2017.json"
    path.write_text(path.read_text().replace("a ", "one ", 1))
    assert of(data_dir) != of(tmp_path / "other")
