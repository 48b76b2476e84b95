"""The door that trains."""

import csv
import json
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from tests.running import EMA, FIGURES, SCENES, composed, run_door, trained
from whysaid.assemble.captioning import build_task

pytestmark = pytest.mark.usefixtures("plain_tokens")


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load(folder, name)["state_dict"]


def load(folder: Path, name: str = "last") -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", "cpu", weights_only=True)


def encoder(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if key.startswith("captioner.encoder.")}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[bool]:
    assert a.keys() == b.keys() and a
    return [torch.equal(a[key], b[key]) for key in a]


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_a_run_leaves_behind(finished: Path) -> None:
    found = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "metrics.json",
        "metrics.csv",
        "predictions_test.json",
        "train.log",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "figures/captions_test.png",
    } <= found
    assert len([name for name in found if name.startswith("figures/attention_")]) == 4
    assert not [name for name in found if "partial" in name or name.startswith(("wandb", "lightning_logs"))]


def test_metrics_are_numbers_under_the_names_of_their_splits(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"test/CIDEr", "val/CIDEr", "train/loss", "train/grad_norm"} <= metrics.keys()
    assert all(isinstance(value, float) for value in metrics.values())
    rows = history(finished)
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(12))
    assert [int(row["step"]) for row in rows if row["val/CIDEr"]][:2] == [5, 11]
    predictions = json.loads((finished / "predictions_test.json").read_text())
    assert len({record["image_id"] for record in predictions}) == 16


def test_the_stored_configuration_is_resolved(finished: Path) -> None:
    assert "${" not in (finished / "config.yaml").read_text()
    config = OmegaConf.load(finished / "config.yaml")
    assert config.paths.run_dir == str(finished) and config.model.attention_dim == 16


def test_a_checkpoint_is_plain_containers(finished: Path) -> None:
    for name in ("best", "last"):
        checkpoint = load(finished, name)
        assert checkpoint["vocabulary"][:4] == ["<pad>", "<start>", "<end>", "<unk>"]
        assert checkpoint["preprocessing"] == {"size": 48, "mean": [0.5] * 3, "std": [0.5] * 3}
        assert checkpoint["config"] == OmegaConf.to_container(OmegaConf.load(finished / "config.yaml"))
        assert checkpoint["config"]["data"]["min_count"] == 1


def test_the_last_line_is_the_run_directory(places: list[str], tmp_path: Path) -> None:
    ran = run_door("train", *SCENES, *FIGURES, *places)
    assert ran.folder.parent == tmp_path / "outputs" / "train" and (ran.folder / "metrics.json").exists()
    assert "test/CIDEr" in ran.out and "Traceback" not in ran.err


def test_a_batch_can_be_learned_by_heart(places: list[str], tmp_path: Path) -> None:
    model = ("model.hidden_dim=64", "model.embed_dim=64", "model.dropout=0", "optimizer.lr=1e-2", "data.batch_size=4")
    epochs = ("trainer.max_epochs=80", "trainer.check_val_every_n_epoch=80")
    assert trained(tmp_path, *SCENES, *FIGURES, *places, "debug=overfit", *model, *epochs) is not None
    losses = [float(row["train/loss"]) for row in history(tmp_path) if row["train/loss"]]
    assert len(losses) == 80 and losses[-1] < 0.3 * losses[0]
    assert not [name for name in json.loads((tmp_path / "metrics.json").read_text()) if name.startswith("test/")]


def test_a_little_of_everything(places: list[str], tmp_path: Path) -> None:
    """However few batches there are."""
    ran = run_door("train", *SCENES, *FIGURES, *places, "debug=limit")
    assert ran.code == 0 and "test/CIDEr" in ran.out


def test_a_multirun_gives_each_job_its_folder(places: list[str], tmp_path: Path) -> None:
    ran = run_door("train", "-m", *SCENES, *FIGURES, *places, "model=adaptive,gridtd", "test=false")
    assert ran.code == 0, ran.err
    (sweep,) = (tmp_path / "outputs" / "train" / "multirun").iterdir()
    models = [OmegaConf.load(sweep / number / "config.yaml").model._target_ for number in ("0", "1")]
    assert models == ["whysaid.models.adaptive.Adaptive", "whysaid.models.gridtd.GridTD"]
    assert all((sweep / number / "metrics.json").exists() for number in ("0", "1"))


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["trainer.precision=bf16-mixed"], 6),
        (["trainer.precision=32-true", "trainer.accumulate_grad_batches=4"], 2),
        ([EMA], 6),
        (["scheduler=cosine"], 6),
        (["task.scheduler=null"], 6),
    ],
    ids=["bf16", "accumulation", "ema", "cosine", "no scheduler"],
)
def test_options_of_training_take_steps(places: list[str], tmp_path: Path, overrides: list[str], steps: int) -> None:
    trained(tmp_path, *SCENES, *FIGURES, *places, "test=false", *overrides)
    assert load(tmp_path)["global_step"] == steps
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_ema_tests_the_averaged_weights(places: list[str], tmp_path: Path) -> None:
    spy = "+callbacks.tested={_target_: tests.doors.tested.TestedWeights, path: %s}" % (tmp_path / "tested.pt")
    trained(tmp_path, *SCENES, *FIGURES, *places, EMA, spy)
    best = load(tmp_path, "best")
    assert not all(equal(best["state_dict"], best["current_model_state"]))
    for split in ("val", "test"):
        assert all(equal(best["state_dict"], torch.load(tmp_path / f"tested.pt.{split}", weights_only=True)))


def test_ema_leaves_a_frozen_encoder_as_it_is(places: list[str], tmp_path: Path) -> None:
    """To the last bit: its cached features are found by a fingerprint of its weights."""
    settings = [*SCENES, *FIGURES, *places, "task.tune_encoder=false", EMA]
    before = untrained(tmp_path, *settings)
    trained(tmp_path, *settings)
    assert all(equal(encoder(before), encoder(weights(tmp_path, "best"))))


@pytest.mark.parametrize("extra", [[], [EMA]], ids=["alone", "ema"])
def test_a_compiled_model_learns_the_same(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str]
) -> None:
    settings = [*SCENES, *FIGURES, *places, "trainer.precision=32-true", "model.dropout=0", *extra]
    trained(tmp_path / "plain", *settings)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # traced; no C++ compiler is run
    trained(tmp_path / "compiled", *settings, "task.compile=true")
    plain, compiled = weights(tmp_path / "plain"), weights(tmp_path / "compiled")
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_a_model_compiled_to_machine_code_learns(places: list[str], tmp_path: Path) -> None:
    trained(tmp_path, *SCENES, *FIGURES, *places, "task.compile=true")
    assert load(tmp_path)["global_step"] == 6


def untrained(folder: Path, *overrides: str) -> dict[str, torch.Tensor]:
    """The weights that a run with these overrides starts from."""
    config = composed("train", folder, *overrides)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    task, _ = build_task(config, {})
    return {name: value.clone() for name, value in task.state_dict().items()}


@pytest.mark.parametrize("cached", ["true", "false"])
def test_a_frozen_encoder_does_not_move(places: list[str], tmp_path: Path, cached: str) -> None:
    settings = [*SCENES, *FIGURES, *places, "task.tune_encoder=false", f"data.cache_features={cached}"]
    before = untrained(tmp_path, *settings)
    trained(tmp_path, *settings)
    after = weights(tmp_path)
    assert all(equal(encoder(before), encoder(after)))
    assert not torch.equal(before["captioner.vocabulary_layer.weight"], after["captioner.vocabulary_layer.weight"])
    assert len(load(tmp_path)["optimizer_states"][0]["param_groups"]) == 1


def test_a_tuned_encoder_moves_at_its_own_rate(places: list[str], tmp_path: Path) -> None:
    settings = [*SCENES, *FIGURES, *places, "optimizer.lr=2e-3", "task.encoder_lr=3e-4"]
    before = untrained(tmp_path, *settings)
    trained(tmp_path, *settings)
    assert not any(equal(encoder(before), encoder(weights(tmp_path))))  # running statistics too
    groups = load(tmp_path)["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups] == [2e-3, 3e-4]
    assert sum(len(group["params"]) for group in groups) == len(
        [name for name in before if not name.rpartition(".")[2].startswith(("running_", "num_"))]
    )


def test_weights_are_taken_from_a_checkpoint(finished: Path, places: list[str], tmp_path: Path) -> None:
    start = untrained(tmp_path, *SCENES, *places, f"ckpt={finished}/checkpoints/best.ckpt")
    assert all(equal(start, weights(finished, "best")))


SAMPLING = (
    "objective.scheduled_sampling={_target_: whysaid.objectives.cross_entropy.ScheduledSampling, start: 0, every: 1}"
)


@pytest.mark.parametrize(
    "override", ["objective.label_smoothing=0.2", SAMPLING, "objective=xe_doubly_stochastic"], ids=lambda o: o[:28]
)
def test_an_objective_is_chosen_by_configuration(places: list[str], tmp_path: Path, override: str) -> None:
    settings = [*SCENES, *FIGURES, *places, "test=false", "trainer.precision=32-true", "trainer.log_every_n_steps=1"]
    for name, extra in (("plain", []), ("other", [override])):
        trained(tmp_path / name, *settings, *extra)
    plain, other = history(tmp_path / "plain"), history(tmp_path / "other")
    assert [row["train/loss"] for row in plain] != [row["train/loss"] for row in other]
    assert ("train/doubly_stochastic" in other[0]) == ("doubly" in override)
