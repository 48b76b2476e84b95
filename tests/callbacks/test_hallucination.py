"""Words that are hallucinated, as a run logs them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from pytorch_lightning.loggers import WandbLogger

from tests.wandb_file import read_history, read_records
from whysaid.callbacks.caption_metrics import CaptionMetrics
from whysaid.callbacks.hallucination import HallucinatedWords
from whysaid.data.object_words import coco_objects
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination

REFERENCES = {1: ["a dog"], 2: ["a cat"], 3: ["a dog and a hot dog"]}
CAPTIONS = {1: "a dog and a cat", 2: "a dog", 3: "a dog and a cat"}


@pytest.fixture
def stage(tmp_path: Path) -> SimpleNamespace:
    """A trainer after a validation at step 7, and what a logger of it gets."""
    logged: list[tuple[dict[str, float], int]] = []
    recorder = SimpleNamespace(log_metrics=lambda values, step: logged.append((values, step)))
    metrics = CaptionMetrics([], [], str(tmp_path), str(tmp_path))
    metrics.captions = CAPTIONS
    steps = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=7))
    data = SimpleNamespace(object_words=coco_objects(), references=lambda split: REFERENCES, evaluated="test")
    trainer = SimpleNamespace(
        is_global_zero=True,
        sanity_checking=False,
        datamodule=data,
        callbacks=[metrics],
        loggers=[recorder],
        fit_loop=steps,
    )
    return SimpleNamespace(trainer=trainer, logged=logged)


def callback(folder: Path, min_count: int = 1, words: int = 12) -> HallucinatedWords:
    return HallucinatedWords(str(folder), Hallucination(coco_objects(), min_count), words)


def test_precision_and_recall_of_each_word(stage: SimpleNamespace, tmp_path: Path) -> None:
    callback(tmp_path).on_validation_end(stage.trainer, None)
    ((values, step),) = stage.logged
    assert step == 7
    assert values == {
        "val/precision_dog": 2 / 3,
        "val/recall_dog": 1,
        "val/precision_cat": 0,
        "val/recall_cat": 0,
        "val/recall_hot_dog": 0,
    }
    with Image.open(tmp_path / "figures/hallucinated_words_val.png") as picture:
        assert picture.width > 300


def test_rare_words_are_left_out_and_the_worst_drawn(
    stage: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("whysaid.callbacks.hallucination.bars", lambda groups, label, note: drawn.append(groups))
    monkeypatch.setattr("whysaid.callbacks.hallucination.log_figures", lambda *_: None)
    stage.trainer.callbacks[0].captions = CAPTIONS | {2: "a dog on a bus"}  # which is predicted once
    callback(tmp_path, min_count=2, words=1).on_test_end(stage.trainer, None)
    ((values, _),) = stage.logged
    assert values == {"test/precision_dog": 2 / 3, "test/recall_dog": 1, "test/precision_cat": 0}
    assert drawn == [{"cat": {"in the image": (0, 0, 0), "hallucinated": (2, 2, 2)}}]


@pytest.mark.parametrize("change", [{"sanity_checking": True}, {"is_global_zero": False}])
def test_when_nothing_is_logged(change: dict[str, bool], stage: SimpleNamespace, tmp_path: Path) -> None:
    vars(stage.trainer).update(change)
    callback(tmp_path).on_validation_end(stage.trainer, None)
    assert not stage.logged and not (tmp_path / "figures").exists()


def test_without_hallucination_or_objects_there_is_no_picture(stage: SimpleNamespace, tmp_path: Path) -> None:
    stage.trainer.callbacks[0].captions = {1: "a dog"}
    callback(tmp_path).on_validation_end(stage.trainer, None)
    assert not (tmp_path / "figures").exists() and len(stage.logged) == 1
    stage.trainer.datamodule.object_words = None
    callback(tmp_path).on_validation_end(stage.trainer, None)
    assert len(stage.logged) == 1


def test_it_needs_what_is_scored(stage: SimpleNamespace, tmp_path: Path) -> None:
    stage.trainer.callbacks = []
    with pytest.raises(UserError, match=r"callbacks\.hallucination show what callbacks\.metrics scores"):
        callback(tmp_path).setup(stage.trainer, None, "fit")


def test_w_and_b_gets_numbers_and_picture(
    stage: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WandbLogger(save_dir=tmp_path, offline=True)
    stage.trainer.loggers = [logger]
    callback(tmp_path).on_validation_end(stage.trainer, None)
    logger.experiment.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    records = list(read_records(path))
    assert records[-1].WhichOneof("record_type") in ("exit", "footer"), [r.WhichOneof("record_type") for r in records]
    rows = read_history(records)
    row = {name: value for logged in rows for name, value in logged.items()}
    assert row["val/recall_dog"] == 1 and row["trainer/global_step"] == 7
    assert row["val/hallucinated_words/_type"] == "images/separated"
