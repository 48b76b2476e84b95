"""Captions in files of other systems."""

import json
from pathlib import Path
from typing import Any

import pytest

from whysaid.data.captions.caption_files import ReferenceFile, by_reference, read_predictions, read_references
from whysaid.errors import UserError

PREDICTED = {1: "a dog", 7: "a cat"}
WRITTEN = {1: ["a dog runs", "the dog"], 7: ["one cat"]}


def written(folder: Path, content: Any) -> Path:
    path = folder / "captions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [
        [{"image_id": 1, "caption": "a dog"}, {"image_id": "7", "caption": "a cat", "score": 3}],
        {"1": "a dog", "7": "a cat"},
        {"1": [{"caption": "a dog"}], "7": ["a cat"]},
    ],
    ids=["COCO results", "an object", "an object of lists"],
)
def test_predictions_in_every_layout(content: Any, tmp_path: Path) -> None:
    assert read_predictions(written(tmp_path, content)) == PREDICTED


@pytest.mark.parametrize(
    "content",
    [
        {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
            "annotations": [
                {"image_id": i, "caption": caption} for i, captions in WRITTEN.items() for caption in [*captions, " \n"]
            ],
        },
        {
            "images": [
                {"imgid": i, "filename": name, "split": "test", "sentences": [{"raw": f" {c}\n"} for c in WRITTEN[i]]}
                for i, name in ((1, "a.jpg"), (7, "b.jpg"))
            ]
        },
        {
            "images": [
                {"imgid": 0, "cocoid": i, "filename": "x.jpg", "sentences": [{"raw": c} for c in WRITTEN[i]]}
                for i in (1, 7)
            ]
        },
        [{"image_id": i, "caption": caption} for i, captions in WRITTEN.items() for caption in captions],
        [{"image_id": i, "caption": "not this", "references": captions} for i, captions in WRITTEN.items()],
        {"1": WRITTEN[1], "7": "one cat"},
    ],
    ids=["COCO", "Karpathy", "Karpathy's COCO", "a list", "predictions of ours", "an object"],
)
def test_references_in_every_layout(content: Any, tmp_path: Path) -> None:
    assert read_references(written(tmp_path, content)).captions == WRITTEN


def test_images_may_be_known_by_their_file_names(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 12, "file_name": "val2014/a b.jpg"}],
        "annotations": [{"image_id": 12, "caption": "a dog"}],
    }
    references = read_references(written(tmp_path, content))
    assert by_reference({"a b.jpg": "x"}, references) == {12: "x"} == by_reference({12: "x"}, references)
    assert by_reference({"a": "x"}, ReferenceFile({"a": ["y"]})) == {"a": "x"}
    assert by_reference({"other.jpg": "x"}, references) == {"other.jpg": "x"}  # which the scorer then asks for


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1, "caption": "a"}, {"image_id": "1", "caption": "b"}], "2 captions of image 1"),
        ({"1": ["a", "b"]}, "2 captions of image 1"),
        ([], "no captions to score"),
        ([{"image_id": 1.5, "caption": "a"}], "1.5 is no image id"),
        ([{"image_id": True, "caption": "a"}], "True is no image id"),
        ([{"image_id": 1, "caption": None}], "None is no caption"),
        ([{"id": 1, "text": "a"}], "image_id"),
        ("a dog", "is not laid out"),
        (3, "is not laid out"),
    ],
)
def test_predictions_that_cannot_be_scored_end_in_one_line(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_predictions(written(tmp_path, content))


def test_references_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        read_references(tmp_path / "none.json")
    with pytest.raises(UserError, match="no captions to compare with"):
        read_references(written(tmp_path, {"1": [" "]}))
