"""Test splits whose annotations are not published, questions without answers, and failures behind the predictions."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pycocotools.coco import COCO

from tests.running import COUNTS, FIGURES, SCENES, SMALL_VQA, WORLD, run_door
from whysaid.callbacks.caption_table import CaptionTable
from whysaid.metrics.scorer import CaptionScorer

pytestmark = pytest.mark.usefixtures("plain_tokens")

QUIET = ("logger=none", "trainer.enable_progress_bar=false")


def change(path: Path, alter: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    alter(content)
    path.write_text(json.dumps(content))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def world(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the world, of whose test split neither captions nor answers are there."""
    folder = tmp_path_factory.mktemp("unannotated")
    shutil.copytree(data_dir / "scenes", folder / "scenes")
    annotations = folder / "scenes" / "annotations"
    change(annotations / "captions_test2017.json", lambda content: content.pop("annotations"))
    (annotations / "captions_test2017.json").rename(annotations / "image_info_test2017.json")
    (folder / "scenes" / "vqa" / "v2_mscoco_test2017_annotations.json").unlink()
    return folder


def require_captions(folder: Path, world: Path) -> None:
    """Fails where `predictions_test.json` is no results file of the COCO evaluation for the whole split."""
    predictions = read(folder / "predictions_test.json")
    assert all(record.keys() == {"image_id", "caption"} for record in predictions)
    published = COCO(str(world / "scenes" / "annotations" / "image_info_test2017.json"))
    assert sorted(record["image_id"] for record in predictions) == sorted(published.getImgIds())
    assert len(published.loadRes(predictions).anns) == COUNTS["test"]
    assert all(isinstance(record["caption"], str) for record in predictions)


def test_a_training_predicts_a_test_split_without_captions(world: Path, tmp_path: Path) -> None:
    ran = run_door("train", *SCENES, f"paths.data_dir={world}", f"paths.output_dir={tmp_path}")
    require_captions(ran.folder, world)
    metrics = read(ran.folder / "metrics.json")
    assert "val/CIDEr" in metrics and not [name for name in metrics if name.startswith("test/")]
    assert (ran.folder / "figures" / "captions_test.png").is_file()
    assert not (ran.folder / "figures" / "hallucinated_words_test.png").exists()
    told = "the test split has no annotations: predictions_test.json is for a server to score"
    assert (ran.folder / "train.log").read_text().count(told) == 1


@pytest.mark.parametrize("emptied", [False, True])
def test_evaluate_predicts_a_test_split_without_captions(
    finished: Path, world: Path, places: list[str], tmp_path: Path, emptied: bool
) -> None:
    root = shutil.copytree(world / "scenes", tmp_path / "scenes")
    info = root / "annotations" / "image_info_test2017.json"
    if emptied:
        change(info, lambda content: content.update(annotations=[]))
        info.rename(info.with_name("captions_test2017.json"))
    given = [f"ckpt={finished}/checkpoints/best.ckpt", f"data.root={root}", *QUIET, *places]
    ran = run_door("evaluate", *given)
    require_captions(ran.folder, world)
    assert read(ran.folder / "metrics.json") == {}
    assert "choose split=val, or leave study= out" in run_door("evaluate", *given, "study=localization").error


@pytest.fixture(scope="module")
def answered(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a training in a world where nobody has answered one question of each split."""
    folder = tmp_path_factory.mktemp("answered")
    shutil.copytree(data_dir / "scenes", folder / "scenes")
    for split in COUNTS:
        path = folder / "scenes" / "vqa" / f"v2_mscoco_{split}2017_annotations.json"
        change(path, lambda content: content["annotations"][0].update(answers=[]))
    settings = ["experiment=saaa_scenes", *SMALL_VQA, *WORLD, "trainer.max_epochs=1", "scheduler=halving"]
    settings.append("trainer.check_val_every_n_epoch=1")
    ran = run_door("train", *settings, f"paths.data_dir={folder}", f"paths.output_dir={folder}/outputs")
    return ran.folder


def test_a_question_without_answers_is_left_out_and_counted(answered: Path) -> None:
    told = (answered / "train.log").read_text()
    for split in COUNTS:
        assert re.search(
            rf"v2_mscoco_{split}2017_annotations.json has no answer to 1 of \d+ questions, which are", told
        )
    assert len(read(answered / "predictions_test.json")) == 31
    assert "test/vqa_accuracy" in read(answered / "metrics.json")


def test_answers_to_a_test_split_without_annotations(answered: Path, world: Path, places: list[str]) -> None:
    given = [f"ckpt={answered}/checkpoints/best.ckpt", f"data.root={world}/scenes", *QUIET, *places]
    ran = run_door("evaluate", *given)
    predictions = read(ran.folder / "predictions_test.json")
    asked = read(world / "scenes" / "vqa" / "v2_OpenEnded_mscoco_test2017_questions.json")["questions"]
    assert sorted(record["question_id"] for record in predictions) == sorted(entry["question_id"] for entry in asked)
    assert all(record.keys() == {"question_id", "answer"} and record["answer"] for record in predictions)
    assert read(ran.folder / "metrics.json") == {} and (ran.folder / "figures" / "answers_test.png").is_file()
    assert "choose split=val" in run_door("evaluate", *given, "study=human_attention").error


def test_only_a_test_split_may_lack_its_annotations(world: Path, tmp_path: Path, data_dir: Path) -> None:
    root = shutil.copytree(data_dir / "scenes", tmp_path / "scenes")
    change(root / "annotations" / "captions_val2017.json", lambda content: content.update(annotations=[]))
    (root / "vqa" / "v2_mscoco_val2017_annotations.json").unlink()
    places = [f"paths.data_dir={tmp_path}", f"paths.output_dir={tmp_path}/outputs"]
    assert "the val split has no annotated image" in run_door("train", *SCENES, *places).error
    vqa = ["experiment=saaa_scenes", *SMALL_VQA, *WORLD, *places]
    assert "v2_mscoco_val2017_annotations.json is missing" in run_door("train", *vqa).error


def test_what_fails_behind_the_scores_costs_neither_predictions_nor_metrics(places: list[str], tmp_path: Path) -> None:
    run = [*SCENES, *places, f"hydra.run.dir={tmp_path}/run", *FIGURES, "callbacks.captions.images=1"]
    run.remove("callbacks.captions=null")
    with patch.object(CaptionTable, "on_test_end", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        run_door("train", *run)
    assert {"test/CIDEr", "val/CIDEr"} <= read(tmp_path / "run" / "metrics.json").keys()
    assert "scores" in read(tmp_path / "run" / "predictions_test.json")[0]


def test_what_fails_in_scoring_costs_no_prediction(finished: Path, places: list[str], tmp_path: Path) -> None:
    run = [f"ckpt={finished}/checkpoints/best.ckpt", *QUIET, *places, f"hydra.run.dir={tmp_path}/run"]
    with patch.object(CaptionScorer, "score", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        run_door("evaluate", *run)
    assert len(read(tmp_path / "run" / "predictions_test.json")) == COUNTS["test"]
