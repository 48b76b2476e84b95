"""Readers of other people's files, given what nobody thought of: they return something, or say in one line why not.

Hypothesis takes a whole file apart, puts other values in some places, and looks for the smallest change at which a
reader fails in any other way.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from whysaid.checkpoint import read_checkpoint, stored_config
from whysaid.data.annotated import read_annotations
from whysaid.data.captions.coco import Coco2017
from whysaid.data.captions.karpathy import Karpathy
from whysaid.data.instances import Instance
from whysaid.data.questions.vqa import VQA
from whysaid.data.segmentation import usable
from whysaid.errors import UserError
from whysaid.run.config_file import END, NEEDED, load_config
from whysaid.run.resumable import unfit

EXAMPLES = 500
"""Cases of each reader in every run of the tests; `make test-slow` takes `MANY`."""

MANY = 20_000

STRANGE: list[Any] = [
    *(
        "",
        "../x",
        "/etc/passwd",
        "a\0b",
        "${oc.env:HOME}",
        "nan",
        "1e999",
        "\u202e",
        "\ud800",
        "_target_",
        "0x1",
        "9" * 30,
    ),
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e9, -1e9, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *(
        [],
        {},
        [[]],
        [{}],
        [None],
        [1, 2, 3],
        ["a"],
        [[1, 2]] * 3,
        {"": []},
        {"id": {"id": 1}},
        {"_target_": "os.system"},
    ),
    {"size": [8, 8], "counts": [64]},
]
JUNK: st.SearchStrategy[Any] = st.sampled_from(STRANGE) | st.integers() | st.floats() | st.text(max_size=4)


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """A copy of plain containers in which one to four values are others, are gone, or are there twice."""
    content = {"": deepcopy(whole)}
    for _ in range(draw(st.integers(1, 4))):
        node: Any = content
        key: Any = ""
        while isinstance(node[key], dict | list) and node[key] and (node is content or draw(st.integers(0, 4))):
            node = node[key]
            key = draw(st.sampled_from(sorted(node, key=str) if isinstance(node, dict) else range(len(node))))
        change = draw(st.sampled_from(("another", "another", "gone", "twice")))
        if change == "another" or node is content:
            node[key] = deepcopy(draw(JUNK))
        elif change == "gone":
            del node[key]
        elif isinstance(node, list):
            node.append(deepcopy(node[key]))
        else:
            node[draw(st.text(max_size=3))] = deepcopy(node[key])
    return content[""]


class Reader(NamedTuple):
    """A reader, and what it is given: `read` takes the content of a file and a folder to write it to."""

    name: str
    contents: st.SearchStrategy[Any]
    read: Callable[[Any, Path], object]


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


PICTURE = {"id": 1, "file_name": "1.jpg", "height": 8, "width": 8}
CAPTIONS = {"images": [PICTURE], "annotations": [{"id": 7, "image_id": 1, "caption": "a dog"}]}
OBJECT = {"id": 9, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "iscrowd": 0}
POLYGONS: list[Any] = [[1, 1, 5, 1, 5, 5, 1, 5], [2, 2, 4, 2, 3, 4]]
RUNS = {"size": [8, 8], "counts": [9, 4, 4, 4, 43]}
INSTANCES = {
    "images": [PICTURE],
    "annotations": [
        {**OBJECT, "segmentation": POLYGONS},
        {**OBJECT, "id": 10, "segmentation": RUNS},
        {**OBJECT, "id": 11, "segmentation": {"size": [8, 8], "counts": "94440"}},
    ],
    "categories": [{"id": 1, "name": "cat"}],
}
SENTENCE = {"imgid": 1, "filename": "1.jpg", "split": "test", "sentences": [{"raw": "a dog"}]}
ASKED = {"questions": [{"question_id": 5, "image_id": 1, "question": "what is it?"}]}
ANSWERED = {
    "annotations": [
        {"question_id": 5, "multiple_choice_answer": "dog", "answers": [{"answer": "dog"}], "question_type": "what"}
    ]
}


def captions(content: Any, folder: Path) -> object:
    written(folder, "annotations/captions_val2017.json", content)
    return Coco2017(str(folder)).read("test")


def sentences(content: Any, folder: Path) -> object:
    written(folder, "flickr.json", content)
    return Karpathy(str(folder), "flickr.json").read("test")


def objects(content: Any, folder: Path) -> object:
    written(folder, "instances_val2017.json", content)
    read = read_annotations(folder).objects
    return [thing.mask(8) for things in read.values() for thing in things]


def outline(content: Any, folder: Path) -> object:
    usable(content)
    return Instance(1, "cat", (1, 1, 4, 4), (8, 8), content).mask(8)


def questions(content: tuple[Any, Any], folder: Path) -> object:
    written(folder, "v2_OpenEnded_mscoco_val2014_questions.json", content[0])
    written(folder, "v2_mscoco_val2014_annotations.json", content[1])
    return VQA(str(folder)).read("test")


ANNOTATIONS = [
    Reader("captions", damaged(CAPTIONS), captions),
    Reader("captions of Karpathy's files", damaged({"images": [SENTENCE]}), sentences),
    Reader("objects", damaged(INSTANCES), objects),
    Reader("polygons", damaged(POLYGONS), outline),
    Reader("run lengths", damaged(RUNS) | damaged({**RUNS, "counts": "94440"}), outline),
    Reader("questions", st.tuples(damaged(ASKED), st.just(ANSWERED)), questions),
    Reader("answers", st.tuples(st.just(ASKED), damaged(ANSWERED)), questions),
]


def try_reader(reader: Reader, examples: int, folder: Path) -> None:
    """Raises what a reader raises other than UserError, with the smallest content at which it does."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples == EXAMPLES,  # the same cases in every run of the tests
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.contents)
    def attempt(content: Any) -> None:
        try:
            reader.read(content, folder)
        except UserError as error:
            assert str(error)

    attempt()


def configuration_reader(run: Path) -> Reader:
    """Of the config.yaml of a run, of which the data, the encoder and the model are whole: PyYAML takes its time."""
    stored = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    assert isinstance(stored, dict)
    short = {name: {"_target_": stored[name]["_target_"]} for name in ("task", "trainer")}
    whole = {name: stored[name] for name in (*NEEDED, "encoder", "paths")} | short | {"callbacks": {}, "logger": {}}

    def read(content: Any, folder: Path) -> object:
        path = folder / "config.yaml"
        text = content if isinstance(content, bytes) else f"{json.dumps(content)}\n{END}\n".encode()
        path.write_bytes(text)
        return load_config(path)

    source = f"{OmegaConf.to_yaml(whole)}{END}\n".encode()
    return Reader("config.yaml", damaged(whole) | damaged_bytes(source), read)


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """A copy of a file with other bytes in one to three places, or cut, or with more in it."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        stop = min(start + draw(st.sampled_from((1, 4, 64, 4096, len(data)))), len(data))
        data[start:stop] = draw(st.sampled_from((b"", bytes(stop - start))) | st.binary(max_size=8))
    return bytes(data)


def checkpoint_reader(run: Path) -> Reader:
    """Of the checkpoint of a run, its weights cut down to two tensors."""
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    weights = dict(list(content["state_dict"].items())[:2])
    plain = {
        name: content[name]
        for name in ("config", "vocabulary", "preprocessing", "epoch", "global_step", "loops", "callbacks")
    }
    small = {**plain, "lr_schedulers": [], "optimizer_states": [{"state": {}}], "data": {"epoch": 1, "batches": 0}}

    def read(values: Any, folder: Path) -> object:
        path = folder / "a.ckpt"
        if isinstance(values, bytes):
            path.write_bytes(values)
        else:
            torch.save({**values, "state_dict": weights} if isinstance(values, dict) else values, path)
        assert isinstance(unfit(path), str)
        stored_config(path)
        checkpoint = read_checkpoint(path)
        return checkpoint.parts("data", "encoder", "model", "decoding")

    probe = run.parent / "small.ckpt"
    torch.save({**small, "state_dict": weights}, probe)
    return Reader("checkpoint", damaged(small) | damaged_bytes(probe.read_bytes()), read)


READERS: dict[str, Callable[[Path], Reader]] = {
    "config.yaml": configuration_reader,
    "checkpoint": checkpoint_reader,
}


@pytest.mark.parametrize("reader", ANNOTATIONS, ids=lambda reader: reader.name)
def test_a_reader_of_annotations(reader: Reader, tmp_path: Path) -> None:
    try_reader(reader, EXAMPLES, tmp_path)


@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_of_what_a_run_stores(name: str, finished: Path, tmp_path: Path) -> None:
    try_reader(READERS[name](finished), EXAMPLES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("reader", ANNOTATIONS, ids=lambda reader: reader.name)
def test_a_reader_of_annotations_for_long(reader: Reader, tmp_path: Path) -> None:
    try_reader(reader, MANY, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_of_what_a_run_stores_for_long(name: str, finished: Path, tmp_path: Path) -> None:
    try_reader(READERS[name](finished), MANY, tmp_path)
