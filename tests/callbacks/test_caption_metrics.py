"""Captions are scored, once, whatever the number of processes."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist

from whysaid.callbacks.across import broadcast, gather_by_id
from whysaid.callbacks.caption_metrics import CaptionMetrics
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.object_words import coco_objects
from whysaid.doors.results import logged_notes
from whysaid.errors import UserError
from whysaid.metrics.text import BLEU, CIDEr

pytestmark = pytest.mark.usefixtures("plain_tokens")

REFERENCES = {
    1: ("a dog runs", "the dog is running", "a dog on grass"),
    2: ("two cats sleep", "cats are sleeping", "two cats on a bed"),
    3: ("a red bus", "a bus on a street", "the bus is red"),
}


@pytest.fixture
def callback(tmp_path: Path) -> CaptionMetrics:
    return CaptionMetrics([CIDEr()], [CIDEr(), BLEU()], str(tmp_path / "cache"), str(tmp_path))


@pytest.fixture
def stage(tmp_path: Path) -> SimpleNamespace:
    """A trainer on rank 0, and what its module logs."""
    images = [CaptionedImage(i, tmp_path / f"{i}.png", captions) for i, captions in REFERENCES.items()]
    data = SimpleNamespace(
        images=lambda split: images,
        references=lambda split: {image.id: list(image.captions) for image in images},
        object_words=coco_objects(),
        evaluated="test",
    )
    logged: dict[str, float] = {}
    module = SimpleNamespace(log_dict=lambda values, **_: logged.update(values))
    return SimpleNamespace(
        trainer=SimpleNamespace(datamodule=data, is_global_zero=True), module=module, logged=logged, data=data
    )


def batches(callback: CaptionMetrics, kind: str, *outputs: dict[int, str]) -> None:
    getattr(callback, f"on_{kind}_epoch_start")(None, None)
    for captions in outputs:
        getattr(callback, f"on_{kind}_batch_end")(None, None, {"captions": captions}, None, 0)


def test_validation_scores_every_batch(callback: CaptionMetrics, stage: SimpleNamespace, tmp_path: Path) -> None:
    batches(callback, "validation", {1: "a dog runs", 2: "two cats sleep"}, {3: "a red bus"})
    callback.on_validation_epoch_end(stage.trainer, stage.module)
    assert stage.logged.keys() == {"val/CIDEr"} and stage.logged["val/CIDEr"] > 1
    assert callback.captions == {1: "a dog runs", 2: "two cats sleep", 3: "a red bus"}
    assert not list(tmp_path.glob("predictions_*"))


def test_notes_are_of_the_last_scores_of_each_split(callback: CaptionMetrics, stage: SimpleNamespace) -> None:
    batches(callback, "validation", {1: "a dog runs"})
    callback.on_validation_epoch_end(stage.trainer, stage.module)
    assert logged_notes(SimpleNamespace(callbacks=[callback, object()])) == callback.notes  # type: ignore[arg-type]
    assert callback.notes.keys() == {"val/CIDEr"} and stage.logged["val/CIDEr"] == 0
    batches(callback, "validation", {1: "a dog runs", 2: "two cats sleep"})
    callback.on_validation_epoch_end(stage.trainer, stage.module)
    assert callback.notes == {} and stage.logged["val/CIDEr"] > 0


def test_captions_of_an_earlier_epoch_are_forgotten(callback: CaptionMetrics, stage: SimpleNamespace) -> None:
    batches(callback, "validation", {1: "a dog runs", 2: "two cats sleep"})
    batches(callback, "validation", {3: "a red bus"})
    assert callback.captions == {3: "a red bus"}


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_test_writes_down_captions_and_baselines(
    callback: CaptionMetrics, stage: SimpleNamespace, tmp_path: Path, split: str
) -> None:
    stage.data.evaluated = split
    batches(callback, "test", {3: "a red dog", 1: "a dog runs", 2: "two cats sleep"})
    callback.on_test_epoch_end(stage.trainer, stage.module)
    wanted = {"CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr_human", "CIDEr_majority"}
    assert stage.logged.keys() == {f"{split}/{name}" for name in wanted}
    assert stage.logged[f"{split}/CIDEr"] > stage.logged[f"{split}/CIDEr_majority"]
    records = json.loads((tmp_path / f"predictions_{split}.json").read_text())
    assert [record["image_id"] for record in records] == [1, 2, 3]
    assert [record["caption"] for record in records] == ["a dog runs", "two cats sleep", "a red dog"]
    assert all(record["scores"]["CIDEr"] >= 0 for record in records)


def test_baselines_may_be_left_out(stage: SimpleNamespace, tmp_path: Path) -> None:
    callback = CaptionMetrics([CIDEr()], [CIDEr()], str(tmp_path), str(tmp_path), baselines=False)
    batches(callback, "test", {1: "a dog runs"})
    callback.on_test_epoch_end(stage.trainer, stage.module)
    assert stage.logged.keys() == {"test/CIDEr"}


def test_a_caption_without_reference(callback: CaptionMetrics, stage: SimpleNamespace) -> None:
    batches(callback, "validation", {9: "a dog runs"})
    with pytest.raises(UserError, match="1 predicted images have no reference caption"):
        callback.on_validation_epoch_end(stage.trainer, stage.module)


def test_other_processes_log_what_rank_0_scored(
    callback: CaptionMetrics, stage: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_gather_object(parts: list[Any], here: Any) -> None:
        parts[:] = [{1: "a dog runs", 2: "two cats sleep"}, here]

    def broadcast_object_list(box: list[Any], src: int) -> None:
        assert src == 0 and box == [{}]
        box[0] = {"CIDEr": 0.25}

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_gather_object", all_gather_object)
    monkeypatch.setattr(dist, "broadcast_object_list", broadcast_object_list)
    stage.trainer.is_global_zero = False
    batches(callback, "validation", {3: "a red bus", 1: "a dog runs"})
    callback.on_validation_epoch_end(stage.trainer, stage.module)
    assert stage.logged == {"val/CIDEr": 0.25}
    assert sorted(callback.captions) == [1, 2, 3]


def test_one_process_keeps_what_it_has() -> None:
    assert gather_by_id({1: "a dog"}) == {1: "a dog"} and broadcast({"CIDEr": 1.0}) == {"CIDEr": 1.0}
