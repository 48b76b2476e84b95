"""The world on disk, laid out as COCO 2017 and VQA v2 are, so that one reader serves all.

ROOT/{train,val,test}2017/000000000001.png
ROOT/annotations/{captions,instances}_{train,val,test}2017.json
ROOT/vqa/v2_OpenEnded_mscoco_{train,val,test}2017_questions.json
ROOT/vqa/v2_mscoco_{train,val,test}2017_annotations.json
ROOT/scenes.json                        the parameters, and whether all is there
"""

import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from whysaid.data.files.whole import replaced, write_whole
from whysaid.data.scenes import records
from whysaid.data.scenes.questions import QUESTIONS_PER_SCENE, SceneQuestion, balanced, questions
from whysaid.data.scenes.render import render
from whysaid.data.scenes.scene import SPLITS
from whysaid.data.scenes.workers import mapped
from whysaid.data.scenes.world import scene
from whysaid.errors import UserError

log = logging.getLogger(__name__)

VERSION = 2
"""Raised whenever the same parameters draw another world."""

COUNTS = {"train": 6400, "val": 800, "test": 800}

SCENES_PER_WORKER = 400
"""Fewer are drawn sooner than another process starts."""


class Drawn(NamedTuple):
    """All that the annotation files need to know of one scene."""

    image: records.Record
    captions: list[records.Record]
    objects: list[records.Record]
    questions: list[SceneQuestion]


def build_scenes(
    root: Path, seed: int = 0, size: int = 80, counts: dict[str, int] | None = None, workers: int | None = None
) -> None:
    """Draws the world under `root`; goes on where it was interrupted, and returns at once when all is there.

    Args:
        root: folder, created if need be.
        seed: the same seed and size give the same files, byte for byte.
        size: side of the pictures in pixels, 48–256.
        counts: split → number of scenes, `COUNTS` by default; splits that are not named get none.
        workers: processes; by default the cores at hand, fewer for a small world.

    Raises:
        UserError: `root` holds a world with other parameters or something else, or a parameter is out of range.
    """
    counts = _checked(COUNTS if counts is None else counts)
    parameters = {"version": VERSION, "seed": seed, "size": size, "counts": counts}
    if _is_complete(root, parameters):
        return
    scene(seed, SPLITS[0], 0, size)  # refuses what cannot be drawn before anything is written
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        if _is_complete(root, parameters):
            return
        _write_json(root / "scenes.json", {**parameters, "complete": False})
        for folder in ("annotations", "vqa"):
            (root / folder).mkdir(exist_ok=True)
        total = sum(counts.values())
        if workers is None:
            workers = min(len(os.sched_getaffinity(0)), 1 + total // SCENES_PER_WORKER)
        log.info("drawing %d scenes into %s", total, root, extra={"progress": True})
        with tqdm(total=total, desc="drawing scenes", unit="scene", disable=None) as progress:
            for split, count in counts.items():
                _build_split(root, split, count, seed, size, workers, progress)
        os.sync()  # the pictures, none of which was waited for
        _write_json(root / "scenes.json", {**parameters, "complete": True})
        log.info("drew %d scenes", total, extra={"progress": True})


def _checked(counts: dict[str, int]) -> dict[str, int]:
    """The counts, a number for every split."""
    unknown = sorted(set(counts) - set(SPLITS))
    if unknown:
        raise UserError(f"scenes have no split {unknown[0]!r}: choose among {', '.join(SPLITS)}")
    return {split: counts.get(split, 0) for split in SPLITS}


def _is_complete(root: Path, parameters: dict[str, Any]) -> bool:
    """Whether the world under `root` is this one, and whole."""
    manifest = root / "scenes.json"
    if not manifest.exists():
        if root.exists() and any(path.name != ".lock" for path in root.iterdir()):
            raise UserError(f"{root} holds other files than scenes: choose an empty folder")
        return False
    try:
        there = json.loads(manifest.read_text(encoding="utf-8"))
        complete = bool(there.pop("complete"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{manifest} is damaged, or of another program ({reason}): remove {root}") from None
    if there != parameters:
        differing = ", ".join(name for name in parameters if there.get(name) != parameters[name])
        raise UserError(f"{root} holds scenes drawn with another {differing}: choose another folder or remove this one")
    return complete


def _build_split(root: Path, split: str, count: int, seed: int, size: int, workers: int, progress: tqdm) -> None:
    folder = root / f"{split}2017"
    folder.mkdir(exist_ok=True)
    drawn = []
    with mapped(partial(draw, folder, seed, split, size), count, workers) as scenes:
        for described in scenes:
            drawn.append(described)
            progress.update()
    images = [described.image for described in drawn]
    captions = [record for described in drawn for record in described.captions]
    objects = [record for described in drawn for record in described.objects]
    candidates = (question for described in drawn for question in described.questions)
    chosen = balanced(candidates, QUESTIONS_PER_SCENE[split] * count, f"{seed}/{split}/questions")
    asked, answered = records.question_records(chosen)
    annotations, vqa, name = root / "annotations", root / "vqa", f"{split}2017"
    _write_json(annotations / f"captions_{name}.json", records.coco_file(images, captions))
    _write_json(annotations / f"instances_{name}.json", records.coco_file(images, objects, records.CATEGORIES))
    _write_json(vqa / f"v2_OpenEnded_mscoco_{name}_questions.json", records.vqa_file(split, questions=asked))
    _write_json(vqa / f"v2_mscoco_{name}_annotations.json", records.vqa_file(split, annotations=answered))


def draw(folder: Path, seed: int, split: str, size: int, index: int) -> Drawn:
    """Draws one scene into `folder`, unless its picture is there, and describes it."""
    drawn = scene(seed, split, index, size)
    path = folder / records.file_name(drawn)
    if not path.exists() or not path.stat().st_size:  # empty: the power failed before it was on the disk
        with replaced(path, durable=False) as partial:
            Image.fromarray(render(drawn)).save(partial, "PNG", compress_level=6)
    captions, objects = records.caption_records(drawn), records.object_records(drawn)
    return Drawn(records.image_record(drawn), captions, objects, questions(drawn))


def _write_json(path: Path, content: records.Record) -> None:
    write_whole(path, json.dumps(content, separators=(",", ":")))
