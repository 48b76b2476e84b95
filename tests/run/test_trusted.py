"""What a stored configuration may name: all that this project's own configurations name, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.running import composed
from whysaid.errors import UserError
from whysaid.run.conf import CONF
from whysaid.run.trusted import require_resolved, require_trusted

STORED = ("data", "encoder", "model", "decoding", "optimizer", "embedder")
CHOICES = [(group, path.stem) for group in STORED for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_of_a_stored_group_is_allowed(group: str, choice: str) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{choice}.yaml"), resolve=False)
    require_trusted({group: config}, Path("any.ckpt"))


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_is_allowed_in_a_run_directory(path: Path, tmp_path: Path) -> None:
    config = composed("train", tmp_path, f"experiment={path.stem}")
    require_trusted(OmegaConf.to_container(config, resolve=True), Path("config.yaml"))


@pytest.mark.parametrize("choice", ["scst", "nsc", "lrp", "lrp_context", "lrp_scst"])
def test_every_objective_is_allowed_in_a_run_directory(choice: str, tmp_path: Path) -> None:
    config = composed("train", tmp_path, f"objective={choice}", "sweep=optuna", "ckpt=any")
    require_trusted(OmegaConf.to_container(config, resolve=False), Path("config.yaml"))


def test_whoever_trusts_the_author_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYSAID_TRUST_CHECKPOINTS", "1")
    require_trusted({"encoder": {"_target_": "my_package.Encoder"}}, Path("any.ckpt"))


@pytest.mark.parametrize("config", [{"a": ["x", "${oc.env:HOME}"]}, {"${a}": 1}, ["${now:%Y}"]])
def test_interpolations_are_refused(config: Any) -> None:
    with pytest.raises(UserError, match="holds an interpolation"):
        require_resolved(config, Path("any.ckpt"))
