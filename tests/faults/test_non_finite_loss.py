"""A loss that is no number."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import FIGURES, SCENES, run_door
from whysaid.objectives.cross_entropy import CrossEntropy

pytestmark = pytest.mark.usefixtures("plain_tokens")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The loss of the fourth batch is NaN; the ids of its images."""
    plain, ids, calls = CrossEntropy.__call__, [], iter(range(100))

    def call(self: CrossEntropy, captioner: Any, batch: Any, step: int) -> Any:
        loss, logs = plain(self, captioner, batch, step)
        if next(calls) != 3:
            return loss, logs
        ids.append(batch.image_ids.tolist())
        return loss * float("nan"), logs

    monkeypatch.setattr(CrossEntropy, "__call__", call)
    return ids


def test_the_run_ends_and_names_the_batch(broken: list[list[int]], places: list[str], tmp_path: Path) -> None:
    ran = run_door(
        "train", *SCENES, *FIGURES, *places, f"hydra.run.dir={tmp_path}/run", "callbacks.last.every_n_train_steps=2"
    )
    assert f"the loss is nan at step 3, images {', '.join(map(str, broken[0]))}: look at" in ran.error
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2 and all(value.isfinite().all() for value in kept["state_dict"].values())


def test_or_leaves_it_out(broken: list[list[int]], places: list[str], tmp_path: Path) -> None:
    settings = [
        *SCENES,
        *FIGURES,
        *places,
        "test=false",
        "callbacks.non_finite_loss.skip=1",
        "trainer.precision=32-true",
    ]
    ran = run_door("train", *settings)
    assert (ran.folder / "train.log").read_text().count("a batch is left out: the loss is nan at step 3") == 1
    kept = torch.load(ran.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(value.isfinite().all() for value in kept["state_dict"].values())
