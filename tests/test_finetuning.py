"""Fine-tuning objectives on top of any experiment, through the door that trains."""

import csv
import json
from itertools import cycle
from pathlib import Path

import pytest
import torch

from tests.running import FIGURES, SCENES, WORLD, composed, only, run_door
from tests.test_experiments import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("plain_tokens")

OBJECTIVES = {
    "scst": "whysaid.objectives.self_critical.SelfCritical",
    "nsc": "whysaid.objectives.self_critical.SelfCritical",
    "lrp": "whysaid.objectives.lrp_inference.LRPInference",
    "lrp_context": "whysaid.objectives.lrp_inference.LRPInference",
    "lrp_scst": "whysaid.objectives.self_critical.SelfCritical",
    "counterfactual": "whysaid.objectives.counterfactual.Counterfactual",
    "dpo": "whysaid.objectives.dpo.DPO",
}

REWARDED = ("scst", "nsc", "lrp_scst")

CAPTIONING = [name for name in EXPERIMENTS if name.startswith(("soft", "adaptive", "gridtd", "aoa", "transformer"))]

PRESET = ("preset=coco_small",)

SHORT = ("trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.log_every_n_steps=1", "data.batch_size=8")


PAIRS = [*zip(CAPTIONING, cycle(OBJECTIVES), cycle([()])), *zip(cycle(["gridtd_coco"]), OBJECTIVES, cycle([PRESET]))]
"""Each experiment with one of the objectives, and all objectives on a small sample of COCO."""


@pytest.mark.parametrize(("experiment", "objective", "preset"), PAIRS)
def test_the_objective_on_the_command_line_brings_its_own_training(
    experiment: str, objective: str, preset: tuple[str, ...], tmp_path: Path
) -> None:
    config = composed("train", tmp_path, f"experiment={experiment}", f"objective={objective}", *preset)
    explains, rewards = objective.startswith("lrp") and objective != "lrp_scst", objective in REWARDED
    scenes = config.data.name == "scenes"
    assert config.objective._target_ == OBJECTIVES[objective]
    assert config.task.tune_encoder == (scenes and objective == "counterfactual")
    rate = 1e-6 if explains else 3e-4 if scenes else 5e-5
    if objective == "dpo":
        rate = 1e-4 if scenes else 1e-5
    assert config.optimizer.lr == rate and config.trainer.max_epochs == -1
    assert (config.task.scheduler is None) == (explains or rewards)
    if explains or rewards:
        assert config.data.batch_size == (32 if explains else 10)
    if explains:
        assert config.trainer.max_steps == (500 if config.data.name == "coco" else 320)
    assert config.trainer.val_check_interval <= config.trainer.max_steps
    assert config.objective.label_smoothing == (0.1 if preset else 0.0)


def test_cross_entropy_keeps_the_experiment_as_it_is(tmp_path: Path) -> None:
    config = composed("train", tmp_path, "experiment=gridtd_coco", "objective=xe")
    assert "finetune" not in config and config.optimizer.lr == 5e-4 and config.trainer.max_epochs == 30


def test_what_the_user_says_has_the_last_word(tmp_path: Path) -> None:
    config = composed("train", tmp_path, "objective=nsc", "optimizer.lr=1e-5", "trainer.max_steps=7")
    assert config.optimizer.lr == 1e-5 and config.trainer.max_steps == 7


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_without_a_checkpoint_the_error_says_what_makes_one(objective: str, places: list[str]) -> None:
    error = run_door("train", "experiment=aoa_coco", f"objective={objective}", "logger=none", *places).error
    assert "ckpt=PATH" in error and "`python -m src.train experiment=aoa_coco`" in error


@pytest.fixture(scope="module")
def start(finished: Path) -> Path:
    """A checkpoint of cross-entropy."""
    return finished / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize(
    ("objective", "cached"), [*zip(OBJECTIVES, cycle([True])), ("lrp", False), ("counterfactual", False)]
)
def test_every_objective_trains_from_a_checkpoint(objective: str, cached: bool, start: Path, places: list[str]) -> None:
    """`~experiment` leaves the tests' small recipe; `finetune` is chosen by the objective all the same."""
    settings = [*SCENES, *FIGURES, *places, *SHORT, f"data.cache_features={cached}", "task.tune_encoder=false"]
    given = [s for s in settings if not s.startswith(("trainer.max_epochs", "optimizer.lr"))]
    ran = run_door("train", *given, f"objective={objective}", f"ckpt={start}")
    with (ran.folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert [int(row["step"]) for row in rows] == [0, 1] and {"val/CIDEr", "test/CIDEr"} <= metrics.keys()
    before = torch.load(start, weights_only=True)["state_dict"]
    after = torch.load(ran.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved and not [name for name in moved if ".encoder." in name]
    if objective.startswith("lrp") and objective != "lrp_scst":
        assert 0 < float(rows[0]["train/explained"]) < 1
    elif objective == "counterfactual":
        assert 0 < float(rows[0]["train/named_absent"]) < 1 and float(rows[0]["train/loss_kept"]) > 0
    elif objective == "dpo":
        assert 0 <= float(rows[0]["train/pairs"]) <= 1 and 0 <= float(rows[0]["train/sample_CHAIRs"]) <= 1
    else:
        assert {"train/reward", "train/end_rate", "train/sample_bad_endings"} <= rows[0].keys()
    if objective == "lrp":
        told = "E_t is over regions" in (ran.folder / "train.log").read_text()
        assert told == cached


def test_experiments_and_objectives_run_together(start: Path, places: list[str]) -> None:
    sizes = ["model.embed_dim=16", "model.hidden_dim=16", "model.attention_dim=16", "model.dropout=0.5"]
    small = [*WORLD, *sizes, "data.min_count=1", "data.batch_size=8", "data.num_workers=0", "decoding=greedy"]
    quick = [only("val", "CIDEr"), "metrics.test=${metrics.val}", "logger=none"]
    settings = [*small, *quick, *FIGURES, *places, "debug=fast_dev_run", "data.max_words=30", f"ckpt={start}"]
    assert run_door("train", "experiment=gridtd_scenes", "objective=lrp_scst", *settings).code == 0


def test_steps_count_over_epochs_and_resuming(start: Path, places: list[str]) -> None:
    """An epoch has six batches; a resumed run needs no checkpoint to start from."""
    given = [s for s in (*SCENES, *FIGURES, *places, *SHORT) if not s.startswith(("trainer.max_epochs", "optimizer"))]
    settings = ["task.tune_encoder=false", "trainer.max_steps=8", "trainer.val_check_interval=4", "test=false"]
    ran = run_door("train", *given, *settings, "objective=nsc", f"ckpt={start}")
    again = run_door("train", f"resume={ran.folder}", "trainer.max_steps=13", "ckpt=null")
    assert torch.load(again.folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 13
    with (again.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    trained = [int(row["step"]) for row in rows if row["train/loss"]]
    assert trained[:8] == list(range(8)) and len(trained) == 13
    assert [int(row["step"]) for row in rows if row["val/CIDEr"]][:2] == [3, 7]
