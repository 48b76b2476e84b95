"""The study that tunes, through the door that evaluates."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel

from tests.running import Ran, run_door
from whysaid.studies.finetuning.study import _over, paired_gain

pytestmark = pytest.mark.usefixtures("plain_tokens")

TINY = (
    "logger=none",
    "split=val",
    "decoding=greedy",
    "study=finetuning",
    "study.seeds=[1,2]",
    *(f"study.tunings.{name}=null" for name in ("lrp", "scst", "lrp_scst")),
    "+study.common.trainer.max_steps=3",
    "+study.common.trainer.enable_progress_bar=false",
    "+study.common.trainer.log_every_n_steps=1",
    "+study.common.data.batch_size=8",
    "+study.tunings.xe.optimizer.lr=1e-3",
    "+study.tunings.lrp_context.optimizer.lr=1e-3",
    "study.scores=[{_target_: whysaid.metrics.text.CIDEr},{_target_: whysaid.metrics.hallucination.Hallucination,"
    "object_words: '${data.object_words}',min_count: 3}]",
    "study.shown=[CIDEr,CHAIRs,object_mAP]",  # two epochs teach hardly an object
)


@pytest.fixture
def tune(finished: Path, places: list[str], tmp_path: Path) -> Callable[..., Ran]:
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    return lambda *more: run_door("evaluate", *places, ckpt, *TINY, f"study.runs={tmp_path}/runs", *more)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row["train/loss"] for row in csv.DictReader(file) if row["train/loss"]]


def test_two_tunings_of_two_seeds_and_a_second_call(tune: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tune().folder
    about = json.loads((folder / "finetuning.json").read_text())
    rows = {row["tuning"]: row for row in about["rows"]}
    runs = {(run["tuning"], run.get("seed")): run for run in about["runs"]}
    assert list(rows) == ["before", "xe", "lrp_context"] and len(runs) == 5
    for name, row in rows.items():
        own = [run["scores"]["CIDEr"] for (tuning, _), run in runs.items() if tuning == name]
        assert row["CIDEr"] == pytest.approx(np.mean(own))
    gains = [runs["lrp_context", s]["scores"]["CIDEr"] - runs["xe", s]["scores"]["CIDEr"] for s in (1, 2)]
    assert rows["lrp_context"]["CIDEr_gain"] == pytest.approx(np.mean(gains))
    assert rows["xe"]["CIDEr_gain"] is None and rows["before"]["CIDEr_paper"] == 0.9067
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["val/CIDEr_lrp_context"] == rows["lrp_context"]["CIDEr"] and "val/CHAIRs_before" in metrics
    assert (folder / "finetuning.png").exists() and (folder / "finetuning.csv").exists()

    trained = {key: Path(run["folder"]) for key, run in runs.items() if key[1] is not None}
    first, second, other = trained["xe", 1], trained["xe", 2], trained["lrp_context", 1]
    assert losses(first) != losses(second)
    assert float(losses(first)[0]) == pytest.approx(
        float(losses(other)[0]), rel=1e-5
    )  # plain cross-entropy of the same samples under the same dropout
    assert any(not torch.equal(a, b) for a, b in zip(weights(first).values(), weights(other).values(), strict=True))

    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.ckpt")}
    again = tune("task_name=again").folder
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.ckpt")} == stamps
    assert json.loads((again / "finetuning.json").read_text())["rows"] == about["rows"]

    (first / "finished.json").write_text("{}")
    (captions,) = other.glob("captions_*.json")
    whole = json.loads(captions.read_text())
    captions.write_text('{"1": "a ca')
    mended = tune("task_name=mended").folder
    told = (mended / "evaluate.log").read_text()
    assert "finished.json cannot be read" in told and f"{captions.name} cannot be read" in told
    assert json.loads(captions.read_text()) == whole
    assert json.loads((mended / "finetuning.json").read_text())["rows"] == about["rows"]


def test_a_killed_study_goes_on_where_it_was(tune: Callable[..., Ran], tmp_path: Path) -> None:
    stop = "{_target_: tests.studies.stops.KilledOnce, flag: %s, name: lrp_context-seed1, step: 1}" % (
        tmp_path / "flag"
    )
    settings = [f"+study.common.callbacks.stop={stop}", "+study.common.trainer.max_steps=4"]
    (tmp_path / "flag").touch()
    whole = tune(*settings, f"study.runs={tmp_path}/whole").folder
    (tmp_path / "flag").unlink()
    killed = tune(*settings)
    assert killed.code == 128 + 15 and (tmp_path / "flag").exists()
    (half,) = (tmp_path / "runs").glob("lrp_context-seed1-*")
    assert not (half / "finished.json").exists()
    assert torch.load(half / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    (done,) = (tmp_path / "runs").glob("xe-seed1-*")
    stamp = (done / "checkpoints/last.ckpt").stat().st_mtime_ns
    resumed = tune(*settings).folder
    assert (done / "checkpoints/last.ckpt").stat().st_mtime_ns == stamp
    (straight,) = (tmp_path / "whole").glob("lrp_context-seed1-*")
    assert len(losses(half)) == 4 and losses(half) == losses(straight)
    for name, value in weights(straight).items():
        assert torch.equal(value, weights(half)[name]), name
    rows = [json.loads((folder / "finetuning.json").read_text())["rows"] for folder in (whole, resumed)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["study.seeds=[1]"], "give at least two different ones"),
        (["study.against=scst"], "study.against=scst is none of study.tunings (xe, lrp_context)"),
        (["study.shown=[CIDEr,SPICE]"], "study.shown: SPICE is of no metric in study.scores"),
        (["study.tunings.xe.choose.finetune=null"], "study.tunings.xe has no length of its own"),
        (["study.tunings.xe.choose.objective=nothing"], "nothing"),
    ],
)
def test_what_cannot_be_compared(settings: list[str], message: str, tune: Callable[..., Ran]) -> None:
    assert message in tune(*settings).error


def test_the_gain_is_that_of_a_paired_t_test() -> None:
    values, others = [1.0, 1.4, 0.9, 1.3], [0.8, 1.1, 0.9, 1.0]
    gain, known = paired_gain(values, others), ttest_rel(values, others).confidence_interval(0.95)
    assert gain == pytest.approx((0.2, known.low, known.high))


def test_own_values_lie_over_the_common_ones() -> None:
    common = {"trainer": {"max_steps": 9, "precision": 32}, "data": {"batch_size": 8}}
    own = {"trainer": {"max_steps": 3}, "data": None, "choose": {"objective": "xe"}}
    assert _over(own, common) == {
        "trainer": {"max_steps": 3, "precision": 32},
        "data": None,
        "choose": {"objective": "xe"},
    }
    assert common["trainer"]["max_steps"] == 9


def test_it_starts_from_one_checkpoint(tune: Callable[..., Ran], finished: Path) -> None:
    path = finished / "checkpoints/best.ckpt"
    assert "starts from one checkpoint" in tune(f"ckpt=[{path}]").error
    assert "not an ensemble" in tune(f"ckpt=[{path},{path}]").error
