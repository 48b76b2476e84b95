"""Files of captions, questions and answers that no publisher wrote."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.table import Kind
from whysaid.data.annotated import read_instances
from whysaid.data.captions.coco import Coco2017
from whysaid.data.captions.karpathy import Karpathy
from whysaid.data.files.annotation_file import read_json
from whysaid.data.images import Photo
from whysaid.data.inpainting.folders import CelebA
from whysaid.data.questions.vqa import VQA
from whysaid.errors import UserError


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 2**30)  # a hole: it takes no room


FILES = Kind(
    "Files of annotations",
    "One line names the file and says that it is to be fetched again; the same of captions, objects and questions.",
    {
        "an empty file": lambda path: path.write_bytes(b""),
        "a file that was cut": lambda path: path.write_text('{"images": [{"id": 1'),
        "bytes that are no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
        "text in another encoding": lambda path: path.write_bytes('{"a": "ü"}'.encode("latin-1")),
        "a page of zeros": lambda path: path.write_bytes(bytes(4096)),
        "a list in a list, 200,000 times": lambda path: path.write_text("[" * 200_000),
        "a number of 5,000 digits": lambda path: path.write_text('{"images": ' + "9" * 5_000 + "}"),
        "five gigabytes": huge,
        "a folder in its place": lambda path: path.mkdir(),
        "a pipe without an end in its place": os.mkfifo,
    },
)


@FILES.rows()
def test_a_file_of_annotations(fault: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    fault(path)
    with pytest.raises(UserError, match=r"annotations\.json"):
        read_json(path)


IMAGE = {"id": 1, "file_name": "1.jpg", "height": 8, "width": 8}
CAPTION = {"image_id": 1, "id": 7, "caption": "a dog"}

LAYOUTS = Kind(
    "Layout of annotations",
    "One line names the file and the entry that is amiss.",
    {
        "a list in place of a mapping": [],
        "an empty mapping": {},
        "a text in place of a mapping": "images",
        "no images": {"annotations": [CAPTION]},
        "images that are a number": {"images": 3, "annotations": [CAPTION]},
        "an image that is a number": {"images": [3], "annotations": [CAPTION]},
        "an image without a name": {"images": [{"id": 1}], "annotations": [CAPTION]},
        "an image without an id": {"images": [{"file_name": "1.jpg"}], "annotations": [CAPTION]},
        "an image whose id is a list": {"images": [{**IMAGE, "id": [1]}], "annotations": [CAPTION]},
        "an image whose id is a mapping": {"images": [{**IMAGE, "id": {}}], "annotations": [CAPTION]},
        "images whose ids are of two kinds": {"images": [IMAGE, {**IMAGE, "id": "x"}], "annotations": [CAPTION]},
        "an image whose name is a number": {"images": [{**IMAGE, "file_name": 3}], "annotations": [CAPTION]},
        "an image whose name is null": {"images": [{**IMAGE, "file_name": None}], "annotations": [CAPTION]},
        "an image whose name leads out": {"images": [{**IMAGE, "file_name": "../1.jpg"}], "annotations": [CAPTION]},
        "an image whose name is absolute": {"images": [{**IMAGE, "file_name": "/1.jpg"}], "annotations": [CAPTION]},
        "an image whose name holds a zero byte": {"images": [{**IMAGE, "file_name": "a\0b"}], "annotations": [CAPTION]},
        "a caption that is a number": {"images": [IMAGE], "annotations": [{**CAPTION, "caption": 3}]},
        "a caption that is null": {"images": [IMAGE], "annotations": [{**CAPTION, "caption": None}]},
        "a caption that is a list": {"images": [IMAGE], "annotations": [{**CAPTION, "caption": ["a", "dog"]}]},
        "a caption without an image": {"images": [IMAGE], "annotations": [{"caption": "a dog"}]},
        "annotations that are null": {"images": [IMAGE], "annotations": None},
        "an annotation that is a text": {"images": [IMAGE], "annotations": ["a dog"]},
    },
)


@LAYOUTS.rows()
def test_a_layout_of_captions(fault: Any, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "captions_val2017.json").write_text(json.dumps(fault), encoding="utf-8")
    with pytest.raises(UserError, match=r"captions_val2017\.json|not to be trusted"):
        Coco2017(str(tmp_path)).read("test")


ENTRY = {"imgid": 1, "filename": "1.jpg", "split": "test", "sentences": [{"raw": "a dog"}]}

KARPATHY = Kind(
    "Captions of Karpathy's files",
    "One line names the file and the entry that is amiss.",
    {
        "a list in place of a mapping": [],
        "images that are null": {"images": None},
        "no sentences": {"images": [{**ENTRY, "sentences": ...}]},
        "sentences that are a number": {"images": [{**ENTRY, "sentences": 3}]},
        "a sentence that is a text": {"images": [{**ENTRY, "sentences": ["a dog"]}]},
        "a sentence of null": {"images": [{**ENTRY, "sentences": [{"raw": None}]}]},
        "no name": {"images": [{**ENTRY, "filename": ...}]},
        "a name that is a list": {"images": [{**ENTRY, "filename": ["1.jpg"]}]},
        "a name that leads out": {"images": [{**ENTRY, "filename": "../../1.jpg"}]},
        "no id": {"images": [{**ENTRY, "imgid": ...}]},
        "an id that is a list": {"images": [{**ENTRY, "imgid": [1]}]},
    },
)


def without_gaps(value: Any) -> Any:
    """The same without the entries that are `...`."""
    if isinstance(value, dict):
        return {key: without_gaps(part) for key, part in value.items() if part is not ...}
    return [without_gaps(part) for part in value] if isinstance(value, list) else value


@KARPATHY.rows()
def test_a_layout_of_karpathys(fault: Any, tmp_path: Path) -> None:
    (tmp_path / "flickr.json").write_text(json.dumps(without_gaps(fault)), encoding="utf-8")
    with pytest.raises(UserError, match=r"flickr\.json|not to be trusted"):
        Karpathy(str(tmp_path), "flickr.json", "photos").read("test")


ASKED = {"question_id": 5, "image_id": 1, "question": "what is it?"}
ANSWERED = {"question_id": 5, "multiple_choice_answer": "dog", "answers": [{"answer": "dog"}]}

QUESTIONS = Kind(
    "Questions and answers",
    "One line names the file, or the question that is amiss.",
    {
        "no questions": ({}, {"annotations": [ANSWERED]}),
        "questions that are a text": ({"questions": "what?"}, {"annotations": [ANSWERED]}),
        "a question that is a text": ({"questions": ["what?"]}, {"annotations": [ANSWERED]}),
        "a question without an id": ({"questions": [{"question": "a?"}]}, {"annotations": [ANSWERED]}),
        "a question whose id is a list": ({"questions": [{**ASKED, "question_id": [5]}]}, {"annotations": [ANSWERED]}),
        "a question without a text": ({"questions": [{**ASKED, "question": ...}]}, {"annotations": [ANSWERED]}),
        "a question that is a number": ({"questions": [{**ASKED, "question": 3}]}, {"annotations": [ANSWERED]}),
        "a question without an image": ({"questions": [{**ASKED, "image_id": ...}]}, {"annotations": [ANSWERED]}),
        "an image that is a word": ({"questions": [{**ASKED, "image_id": "one"}]}, {"annotations": [ANSWERED]}),
        "an image that is a list": ({"questions": [{**ASKED, "image_id": [1]}]}, {"annotations": [ANSWERED]}),
        "no annotations": ({"questions": [ASKED]}, {}),
        "an answer that is a number": (
            {"questions": [ASKED]},
            {"annotations": [{**ANSWERED, "answers": [{"answer": 3}]}]},
        ),
        "answers that are texts": ({"questions": [ASKED]}, {"annotations": [{**ANSWERED, "answers": ["dog"]}]}),
        "no commonest answer": ({"questions": [ASKED]}, {"annotations": [{**ANSWERED, "multiple_choice_answer": ...}]}),
        "a type that is a list": ({"questions": [ASKED]}, {"annotations": [{**ANSWERED, "question_type": ["a"]}]}),
    },
)


@QUESTIONS.rows()
def test_a_layout_of_questions(fault: tuple[Any, Any], tmp_path: Path) -> None:
    names = ("v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json")
    for name, content in zip(names, fault, strict=True):
        (tmp_path / name).write_text(json.dumps(without_gaps(content)), encoding="utf-8")
    with pytest.raises(UserError, match=r"v2_.*\.json|question 5"):
        VQA(str(tmp_path)).read("test")


PARTITIONS = Kind(
    "CelebA's list of faces",
    "One line names the file and the line that is amiss.",
    {
        "an empty line": "000001.jpg 0\n\n",
        "a line of three words": "000001.jpg 0 1\n",
        "a split of 3": "000001.jpg 3\n",
        "a name that leads out": "../000001.jpg 0\n",
        "a name that leads into a folder": "a/000001.jpg 0\n",
        "bytes that are no text": b"\xff\xfe\x00",
    },
)


@PARTITIONS.rows()
def test_a_list_of_faces(fault: str | bytes, tmp_path: Path) -> None:
    (tmp_path / "list_eval_partition.txt").write_bytes(fault if isinstance(fault, bytes) else fault.encode())
    with pytest.raises(UserError, match=r"line \d of .*list_eval_partition\.txt"):
        CelebA(str(tmp_path)).read("train")


def test_objects_of_another_layout(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text('{"images": []}', encoding="utf-8")
    with pytest.raises(UserError, match=r"instances_val2017\.json is not laid out"):
        read_instances([Photo(1, tmp_path / "val2017" / "1.jpg")])
