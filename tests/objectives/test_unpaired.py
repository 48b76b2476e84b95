"""Captions without pictures: which are read, what they cost, and a training on them."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.attribution.tiny import captioner
from tests.objectives.tiny import VOCABULARY, data, with_regions
from tests.running import FIGURES, SCENES, run_door
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.objectives import unpaired
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.unpaired import Unpaired

MEAN = torch.arange(20.0, dtype=torch.float64).view(4, 5) / 20
"""Of the training features."""

CAPTIONS = {
    7: ["a dog on a cat", "a ball"],
    8: ["a dog, and a horse"],  # `and` and `horse` are in no vocabulary
    1: ["a cat on a dog"],  # of the validation split
    9: ["cat"],
    11: ["a ball on a ball"],  # excluded
}


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(unpaired, "mean_regions", lambda model, pictures: MEAN)
    entries = [{"image_id": i, "caption": text} for i, texts in CAPTIONS.items() for text in texts]
    (tmp_path / "captions.json").write_text(json.dumps(entries))
    (tmp_path / "ids.txt").write_text("11\n12\n")
    given: Any = data()
    given.images = lambda split: [SimpleNamespace(id={"val": 1, "test": 2}[split])]
    given.pictures = lambda split: None
    model = captioner("gridtd").eval()

    def make(**settings: Any) -> tuple[Unpaired, Any]:
        objective = Unpaired([str(tmp_path / "captions.json")], str(tmp_path / "ids.txt"), **settings)
        objective.prepare(model, given)
        return objective, model

    return make


def said(objective: Unpaired) -> set[str]:
    return {" ".join(VOCABULARY.decode(row.tolist())) for row in objective._rows}


def cost(model: Any, row: Tensor) -> list[Tensor]:
    """−log p of each word of a caption, step by step, given the mean of the training features."""
    features = model.project(MEAN[None])
    state, costs = model.start(features), []
    for word, target in zip(row[:-1].tolist(), row[1:].tolist(), strict=True):
        if target == PAD:
            break
        step = model.step(torch.tensor([word]), state, features)
        state = step.state
        costs.append(-step.logits[0].log_softmax(-1)[target])
    return costs


def test_captions_of_evaluated_pictures_and_with_unknown_words_are_left_out(prepared: Any) -> None:
    assert said(prepared()[0]) == {"a dog on a cat", "a ball", "cat"}


def test_the_loss_is_the_sum_of_both_cross_entropies(prepared: Any) -> None:
    objective, model = prepared(number=40, paired=0.7)
    drawn: list[Tensor] = []
    unroll = model.unroll
    model.unroll = lambda tokens, features, sampling=0.0: (drawn.append(tokens), unroll(tokens, features, sampling))[1]
    loss, logs = objective(model, with_regions(), 3)
    model.unroll = unroll
    rows = {tuple(row.tolist()): row for row in objective._rows}
    read = [row for tokens in drawn[0].tolist() for key, row in rows.items() if key[: len(tokens)] == tuple(tokens)]
    assert len(read) == 40
    costs = [c for row in read for c in cost(model, row)]
    language = torch.stack(costs).mean()
    paired, _ = CrossEntropy()(model, with_regions(), 3)
    torch.testing.assert_close(loss, language + 0.7 * paired)
    torch.testing.assert_close(logs["loss_unpaired"], language.detach())
    torch.testing.assert_close(logs["loss"], paired.detach())


def test_draws_follow_step_and_seed_alone(prepared: Any) -> None:
    losses = [
        prepared(number=3, paired=0, seed=seed)[0](prepared()[1], with_regions(), step)[0]
        for seed, step in [(0, 0), (0, 0), (0, 1), (1, 0), (0, 2)]
    ]
    assert losses[0] == losses[1] and len({loss.item() for loss in losses}) > 2


@pytest.mark.parametrize("settings", [{"paired": -0.1}, {"number": 0}])
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="at least"):
        Unpaired(["captions.json"], **settings)


def test_no_caption_is_left(prepared: Any, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("7 9 11")
    with pytest.raises(UserError, match=r"no caption of objective\.captions"):
        prepared()


@pytest.mark.usefixtures("plain_tokens")
def test_it_trains(data_dir: Path, places: list[str]) -> None:
    file = next(data_dir.rglob("captions_train2017.json"))
    ran = run_door("train", *SCENES, *FIGURES, *places, "objective=unpaired", f"objective.captions=[{file}]",
                   "objective.number=10", "trainer.log_every_n_steps=1", "test=false")  # fmt: skip
    with (ran.folder / "metrics.csv").open(newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["train/loss_unpaired"]]
    assert len(rows) == 6 and all(float(row["train/loss"]) > 0 for row in rows)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["objective=unpaired"], "objective.captions"),
        (["objective=unpaired", "objective.captions=[no.json]"], "no.json"),
    ],
)
def test_a_file_is_missing(lines: list[str], message: str, places: list[str]) -> None:
    assert message in run_door("train", *SCENES, *places, *lines).error
