"""Every study of a captioner through the door that evaluates."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.running import Ran, run_door
from tests.wandb_file import read_history, read_records

QUICK = (
    "logger=none",
    "study.images=6",
    *(f"study.methods.{name}=null" for name in ("integrated_gradients", "smooth_grad", "occlusion", "deconvnet")),
)
"""The methods that take many passes are left out."""

SETTINGS = {
    "localization": QUICK,
    "word_ablation": ("logger=none", "study.images=12", "study.first=3"),
    "hallucination_auc": (
        "logger=none",
        "study.images=12",
        "study.methods.occlusion.stride=32",
        "fill@study.fill=truth",
        "study.more_than=1",
    ),
    "patch_ablation": (*QUICK, "study.words=3", "study.patches=4", "study.draws=2"),
    "faithfulness": (
        *QUICK,
        "study.words=2",
        "study.steps=4",
        "study.sanity.words=1",
        "study.sanity.stages=2",
        "study.sanity.draws=1",
        "study.by_magnitude=[guided_backprop]",
    ),
}


SAID = ["a", "cat", "and", "a", "ball", "on", "a", "boat", "by", "a", "car", "<end>"]
"""What the captioner is made to say of every image, whatever two epochs have taught it."""

CHAIN = f"{{_target_: tests.studies.planted.Chain, _partial_: true, words: [{', '.join(map(repr, SAID))}]}}"


@pytest.fixture
def evaluate(finished: Path, places: list[str]) -> Callable[..., Ran]:
    """The door, opened on the finished run."""
    captions = ("decoding=greedy", f"decoding.filters=[{CHAIN}]")
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    return lambda study, *more: run_door("evaluate", *places, ckpt, f"study={study}", "split=train", *captions, *more)


@pytest.mark.parametrize("study", SETTINGS)
def test_what_a_study_leaves_behind(study: str, evaluate: Callable[..., Ran]) -> None:
    ran = evaluate(study, *SETTINGS[study])
    folder = ran.folder
    with (folder / f"{study}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"lrp"} < {row["method"] for row in rows}
    about = json.loads((folder / f"{study}.json").read_text())
    assert len(about["rows"]) == len(rows) and about["notes"]
    with Image.open(folder / f"{study}.png") as picture:
        assert picture.width > 500
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics and all(name.startswith("train/") for name in metrics)
    low = next(key for key in rows[0] if key.endswith("_low"))
    row = about["rows"][0]
    value = low.removesuffix("_low")
    assert row[low] <= row[value] <= row[f"{value}_high"]
    assert f"{row[value]:.3f} [{row[low]:.3f}, {row[f'{value}_high']:.3f}]" in ran.out
    assert all(note in ran.out for note in about["notes"])


def test_the_same_seed_gives_the_same_table(evaluate: Callable[..., Ran]) -> None:
    settings = ("patch_ablation", *SETTINGS["patch_ablation"], "study.methods.guided_backprop=null")
    first, second = (evaluate(*settings, f"task_name={name}").folder for name in ("one", "two"))
    assert (first / "patch_ablation.json").read_text() == (second / "patch_ablation.json").read_text()


def test_w_and_b_gets_table_figure_and_numbers(evaluate: Callable[..., Ran]) -> None:
    ran = evaluate("word_ablation", *SETTINGS["word_ablation"], "logger=wandb")
    history = read_history(list(read_records(next(ran.folder.glob("wandb/offline-run-*/*.wandb")))))
    logged = {name: value for step in history for name, value in step.items()}
    assert logged["word_ablation/table/_type"] == "table-file" and logged["word_ablation/table/nrows"] == 8
    assert logged["word_ablation/word_ablation/_type"] == "images/separated"
    assert "train/word_ablation_lrp_category_words" in logged


@pytest.mark.parametrize(
    ("study", "more", "message"),
    [
        ("localization", ["data.cache_features=true"], "this study explains pixels"),
        ("patch_ablation", ["study.patch=7"], "patches of 7 pixels do not fill 48 × 48 images"),
        ("patch_ablation", ["study.patches=36"], "there are only 36 patches of 8 pixels"),
        ("faithfulness", ["study.sanity.noise=0"], "study.sanity needs"),
        ("word_ablation", ["study.first=15"], "no caption has a stop word or an object word after its first 15 words"),
        ("localization", ["study.images=1", "study.methods.lrp=null", "study.metods=3"], "metods"),
        ("faithfulness", ["decoding.filters=[]"], "no caption has an object word"),
    ],
)
def test_what_cannot_be_studied(study: str, more: list[str], message: str, evaluate: Callable[..., Ran]) -> None:
    assert message in evaluate(study, "logger=none", "study.images=2", *more).error


def test_data_without_boxes(evaluate: Callable[..., Ran], data_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bare"
    shutil.copytree(data_dir / "scenes", copy)
    for file in (copy / "annotations").glob("instances_*.json"):
        file.unlink()
    message = "no boxes are annotated for the train images of scenes: localization needs annotations/instances_*.json"
    assert message in evaluate("localization", "logger=none", f"data.root={copy}").error


def test_cached_features_are_enough_for_words(evaluate: Callable[..., Ran]) -> None:
    folders = [
        evaluate(
            "word_ablation", *SETTINGS["word_ablation"], f"data.cache_features={cached}", f"task_name={cached}"
        ).folder
        for cached in ("true", "false")
    ]
    cached, fresh = (json.loads((folder / "metrics.json").read_text()) for folder in folders)
    assert cached.keys() == fresh.keys()
    assert all(abs(cached[name] - fresh[name]) < 0.1 for name in fresh)  # float16 features may turn a word
