"""The entries of a scene in COCO 2017's and VQA v2's annotation files.

Ids: image i has captions 10 i + (0…4), objects 10 i + (0…3); questions are numbered 1000 i + (0…), as in VQA v2.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from whysaid.data.scenes.captions import captions
from whysaid.data.scenes.objects import CLASSES, SUPERCATEGORIES
from whysaid.data.scenes.questions import ANSWER_TYPES, SceneQuestion
from whysaid.data.scenes.render import masks
from whysaid.data.scenes.scene import Scene

Record = dict[str, Any]

DESCRIPTION = "Scenes: drawn pictures with captions, exact masks and questions"

CATEGORIES: list[Record] = [
    {"supercategory": SUPERCATEGORIES[name], "id": number, "name": name} for number, name in enumerate(CLASSES, 1)
]

ANSWERS_PER_QUESTION = 10


def image_record(scene: Scene) -> Record:
    """The entry under `images`."""
    return {"id": scene.image_id, "file_name": file_name(scene), "width": scene.size, "height": scene.size}


def file_name(scene: Scene) -> str:
    """Name of a scene's picture: `000000000001.png`."""
    return f"{scene.image_id:012d}.png"


def caption_records(scene: Scene) -> list[Record]:
    """The five entries of a captions file."""
    return [
        {"image_id": scene.image_id, "id": 10 * scene.image_id + number, "caption": caption}
        for number, caption in enumerate(captions(scene))
    ]


def object_records(scene: Scene) -> list[Record]:
    """The entries of an instances file, from back to front: what is seen of each object, as compressed RLE."""
    records = []
    for index, (thing, mask) in enumerate(zip(scene.objects, masks(scene), strict=True)):
        code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        records.append(
            {
                "id": annotation_id(scene.image_id, index),
                "image_id": scene.image_id,
                "category_id": CLASSES.index(thing.name) + 1,
                "segmentation": {"size": code["size"], "counts": code["counts"].decode("ascii")},
                "area": float(coco_mask.area(code)),
                "bbox": coco_mask.toBbox(code).tolist(),
                "iscrowd": 0,
            }
        )
    return records


def annotation_id(image_id: int, index: int) -> int:
    """The id of an object's annotation; `index` as in `Scene.objects`."""
    return 10 * image_id + index


def question_records(questions: Iterable[SceneQuestion]) -> tuple[list[Record], list[Record]]:
    """The entries of a VQA v2 questions file and of its annotations file, which adds `deciding_annotation_ids`."""
    asked, answered = [], []
    number: Counter[int] = Counter()
    for image_id, kind, text, answer, deciding in questions:
        ids = {"image_id": image_id, "question_id": 1000 * image_id + number[image_id]}
        number[image_id] += 1
        asked.append({**ids, "question": text})
        answered.append(
            {
                **ids,
                "question_type": kind,
                "answer_type": ANSWER_TYPES[kind],
                "multiple_choice_answer": answer,
                "answers": [
                    {"answer": answer, "answer_confidence": "yes", "answer_id": person}
                    for person in range(1, ANSWERS_PER_QUESTION + 1)
                ],
                "deciding_annotation_ids": [annotation_id(image_id, index) for index in deciding],
            }
        )
    return asked, answered


def coco_file(images: list[Record], annotations: list[Record], categories: list[Record] | None = None) -> Record:
    """A captions file, or with categories an instances file."""
    content: Record = {"info": {"description": DESCRIPTION, "version": "1.0"}, "licenses": [], "images": images}
    content["annotations"] = annotations
    if categories is not None:
        content["categories"] = categories
    return content


def vqa_file(split: str, **content: list[Record]) -> Record:
    """A questions file (`questions=…`) or its annotations file (`annotations=…`)."""
    head = {"info": {"description": DESCRIPTION, "version": "1.0"}, "license": {}, "data_type": "mscoco"}
    return {**head, "task_type": "Open-Ended", "data_subtype": f"{split}2017", **content}
