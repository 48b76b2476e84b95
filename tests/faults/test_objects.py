"""Annotated objects that cannot be drawn: pycocotools would write outside of its memory, or ask for all there is."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.table import Kind
from whysaid.data.annotated import read_annotations
from whysaid.data.instances import Instance
from whysaid.errors import UserError

SQUARE = [2, 2, 6, 2, 6, 6, 2, 6]
BOX = [2.0, 2.0, 4.0, 4.0]

OUTLINES = Kind(
    "Outlines of annotated objects",
    "The object's other parts, or its box, stand in; a line counts such objects and names the first.",
    {
        "no polygon in the list": [[]],
        "a polygon of one point": [[2, 2]],
        "a polygon of two points, which pycocotools takes for a box": [[2, 2, 6, 6]],
        "a polygon with an odd number of coordinates": [[2, 2, 6, 2, 6, 6, 2]],
        "a polygon of pairs in place of numbers": [[[2, 2], [6, 2], [6, 6], [2, 6]]],
        "a polygon that is in no list": SQUARE,
        "a coordinate that is no number (NaN)": [[float("nan"), 2, 6, 2, 6, 6]],
        "an infinite coordinate": [[float("inf"), 2, 6, 2, 6, 6]],
        "infinite coordinates of both signs": [[float("inf"), float("-inf"), 6, 2, 6, 6]],
        "a coordinate of 1e9": [[1e9, 2, 6, 2, 6, 6]],
        "a coordinate of -1e9": [[2, 2, -1e9, 2, 6, 6]],
        "a coordinate of 400 digits": [[10**400, 2.0, 6, 2, 6, 6]],
        "a coordinate in words": [["two", 2, 6, 2, 6, 6]],
        "a coordinate of null": [[None, 2, 6, 2, 6, 6]],
        "an edge of 164 million pixels": [[0, 0, 16384, 16384] * 5000],
        "a word for an outline": "round",
        "a number for an outline": 7,
        "run lengths without counts": {"size": [8, 8]},
        "run lengths without a size": {"counts": [64]},
        "run lengths of a picture of 10^9 pixels a side": {"size": [10**9, 10**9], "counts": [10**18]},
        "run lengths of a picture of half a pixel": {"size": [0.5, 128], "counts": [64]},
        "run lengths beyond the picture": {"size": [8, 8], "counts": [0, 100_000]},
        "run lengths that end before the picture does": {"size": [8, 8], "counts": [10, 10]},
        "a negative run length": {"size": [8, 8], "counts": [80, -32, 16]},
        "a run length of NaN": {"size": [8, 8], "counts": [float("nan"), 64]},
        "a run length in words": {"size": [8, 8], "counts": ["many"]},
        "no run lengths": {"size": [8, 8], "counts": []},
        "packed run lengths beyond the picture": {"size": [8, 8], "counts": "ooooooooo0"},
        "packed run lengths that are cut": {"size": [8, 8], "counts": "Pa"},
        "packed run lengths with a letter of no meaning": {"size": [8, 8], "counts": "0\u20ac"},
        "packed run lengths without an end": {"size": [8, 8], "counts": "o" * 100_000},
        "run lengths of null": {"size": [8, 8], "counts": None},
    },
)

BOXES = Kind(
    "Boxes of annotated objects",
    "The box around the object's outline stands in; an object that has none either is left out. A line says so.",
    {
        "no box": None,
        "a box of three numbers": [2, 2, 4],
        "a box of words": ["left", "top", "wide", "high"],
        "a box of numbers in quotes": ["2", "2", "4", "4"],
        "a box of nulls": [None] * 4,
        "a box with NaN": [2, 2, float("nan"), 4],
        "an infinite box": [2, 2, float("inf"), 4],
        "a box of negative width": [6, 2, -4, 4],
        "a box 1e9 pixels away": [1e9, 2, 4, 4],
        "a box of 400 digits": [10**400, 2.0, 4, 4],
        "a mapping for a box": {"x": 2},
    },
)

PICTURES = Kind(
    "Pictures of annotation files",
    "One line says what is wrong with the file, and nothing is read.",
    {
        "a height of 0": {"height": 0},
        "a negative height": {"height": -1},
        "a height of 10^9": {"height": 10**9},
        "a height of NaN": {"height": float("nan")},
        "a height in words": {"height": "high"},
        "a height of null": {"height": None},
        "a width of half a pixel": {"width": 0.5},
        "no width": {"width": ...},
        "no id": {"id": ...},
        "an id that is a list": {"id": [1]},
    },
)


def content(images: list[Any], *entries: dict[str, Any]) -> dict[str, Any]:
    annotations = [{"id": 10 + i, "image_id": 1, "category_id": 1, **entry} for i, entry in enumerate(entries)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}


def written(folder: Path, value: Any) -> Path:
    (folder / "instances_val2017.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


PICTURE = {"id": 1, "height": 8, "width": 8}


@OUTLINES.rows()
def test_an_outline_that_cannot_be_drawn(fault: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = {"bbox": BOX, "segmentation": [SQUARE]}
    folder = written(tmp_path, content([PICTURE], {"bbox": BOX, "segmentation": fault}, whole))
    with caplog.at_level(logging.WARNING):
        broken, other = read_annotations(folder).objects[1]
    assert "1 objects have outlines or boxes that cannot be drawn" in caplog.text and "annotation 10" in caplog.text
    np.testing.assert_array_equal(broken.mask(8), broken.boxed(8))
    np.testing.assert_array_equal(other.mask(8), broken.boxed(8))
    np.testing.assert_array_equal(Instance(1, "cat", (2, 2, 4, 4), (8, 8), fault).mask(8), broken.boxed(8))


@pytest.mark.parametrize("part", [part for part in OUTLINES.faults.values() if isinstance(part, list)], ids=str)
def test_the_other_parts_of_an_outline_stay(part: list[Any], tmp_path: Path) -> None:
    segmentation = [*part[:1], SQUARE]
    folder = written(tmp_path, content([PICTURE], {"bbox": [0, 0, 8, 8], "segmentation": segmentation}))
    (instance,) = read_annotations(folder).objects[1]
    assert instance.mask(8).sum() == 16 and instance.segmentation == [SQUARE]


@BOXES.rows()
def test_a_box_that_lies_nowhere(fault: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = written(tmp_path, content([PICTURE], {"bbox": fault, "segmentation": [SQUARE]}, {"bbox": fault}))
    with caplog.at_level(logging.WARNING):
        (instance,) = read_annotations(folder).objects[1]
    assert instance.box == tuple(BOX)
    assert "1 objects have outlines or boxes that cannot be drawn" in caplog.text and "annotation 10" in caplog.text
    assert "1 objects have neither an outline nor a box" in caplog.text and "annotation 11" in caplog.text


@PICTURES.rows()
def test_a_picture_that_there_is_not(fault: dict[str, Any], tmp_path: Path) -> None:
    picture = {key: value for key, value in {**PICTURE, **fault}.items() if value is not ...}
    folder = written(tmp_path, content([picture], {"bbox": BOX}))
    with pytest.raises(UserError, match=r"is annotated: no file of photos says so|is not laid out as such a file is"):
        read_annotations(folder)
