"""The door that evaluates, on captions of any other system."""

import json
from pathlib import Path

import pytest

from tests.running import Ran, run_door

pytestmark = pytest.mark.usefixtures("plain_tokens")

QUICK = (
    "metrics.test={METEOR: null, SPICE: null, BERTScore: null}",
    "logger=none",
    "metrics.test.hallucination.min_count=1",
)


@pytest.fixture
def annotations(data_dir: Path) -> Path:
    return data_dir / "scenes" / "annotations" / "captions_test2017.json"


@pytest.fixture
def captions(annotations: Path) -> dict[int, list[str]]:
    by_image: dict[int, list[str]] = {}
    for annotation in json.loads(annotations.read_text(encoding="utf-8"))["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation["caption"])
    return by_image


def score(places: list[str], predictions: object, references: object, *overrides: str) -> Ran:
    return run_door("evaluate", f"predictions={predictions}", f"references={references}", *QUICK, *places, *overrides)


def saved(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_captions_of_another_system_are_scored_by_every_metric(
    places: list[str], captions: dict[int, list[str]], annotations: Path, tmp_path: Path
) -> None:
    first, second, *_ = captions
    said = {i: written[0] for i, written in captions.items()} | {first: "a picture of a banana"}
    ran = score(
        places, saved(tmp_path / "p.json", [{"image_id": i, "caption": c} for i, c in said.items()]), annotations
    )
    values = json.loads((ran.folder / "metrics.json").read_text(encoding="utf-8"))
    number = len(captions)
    assert {"test/CIDEr", "test/BLEU-4", "test/ROUGE-L", "test/CHAIRs", "test/CHAIRi", "test/object_mAP"} <= set(values)
    assert {"test/bad_endings", "test/CIDEr_human"} <= set(values) and "test/CIDEr_majority" not in values
    assert values["test/ROUGE-L"] == pytest.approx((number - 1) / number, abs=0.1)
    records = {r["image_id"]: r for r in json.loads((ran.folder / "predictions_test.json").read_text(encoding="utf-8"))}
    assert records[first]["hallucinated"] == ["banana"]
    assert values["test/CHAIRs"] == pytest.approx(sum(bool(r["hallucinated"]) for r in records.values()) / number)
    assert records[second]["caption"] == said[second] and records[second]["references"] == captions[second]
    again = score(places, ran.folder / "predictions_test.json", ran.folder / "predictions_test.json")
    assert json.loads((again.folder / "metrics.json").read_text(encoding="utf-8")) == pytest.approx(values)


def test_words_of_a_chosen_data_set_are_objects(places: list[str], tmp_path: Path) -> None:
    predicted, written = saved(tmp_path / "p.json", {"1": "a kite"}), saved(tmp_path / "r.json", {"1": ["a star", "x"]})
    ran = score(places, predicted, written, "data=scenes", "split=val")
    values = json.loads((ran.folder / "metrics.json").read_text(encoding="utf-8"))
    assert values["val/CHAIRs"] == 1 and values["val/objects_never_predicted"] == 1  # the star
    assert values["val/CIDEr"] == 0 and "0 by construction" in " ".join(ran.out.split())
    assert ran.err.count("CIDEr is 0 by construction") <= 1


def test_captions_of_some_images_are_scored_with_a_word_about_the_others(
    places: list[str], captions: dict[int, list[str]], annotations: Path, tmp_path: Path
) -> None:
    predicted = saved(tmp_path / "p.json", {str(i): captions[i][0] for i in list(captions)[:3]})
    ran = score(places, predicted, annotations)
    text = ran.out + ran.err + (ran.folder / "evaluate.log").read_text(encoding="utf-8")
    assert f"{len(captions) - 3} of {len(captions)} images have no predicted caption" in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ckpt=a.ckpt"], "leave ckpt= out, or predictions="),
        (["study=localization"], "a study looks into a model"),
        (["references=null"], "give references=FILE"),
        (["predictions=none.json"], "there is no file none.json"),
    ],
)
def test_what_cannot_be_scored_ends_in_one_line(
    overrides: list[str], message: str, places: list[str], tmp_path: Path
) -> None:
    captions = saved(tmp_path / "p.json", {"1": "a dog"})
    assert message in score(places, captions, captions, *overrides).error


def test_a_caption_of_an_image_without_reference_is_named(places: list[str], tmp_path: Path) -> None:
    predicted, written = saved(tmp_path / "p.json", {"9": "a dog"}), saved(tmp_path / "r.json", {"1": ["a dog", "x"]})
    assert "ids 9" in score(places, predicted, written).error
