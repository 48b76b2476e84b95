"""Annotated objects of images in COCO's layout: `annotations/instances_*.json` and `person_boxes_*.json`.

H, W size of the annotated picture, S side of an encoder's square, pixels; N objects.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from whysaid.data.files.annotation_file import laid_out, read_json
from whysaid.data.images import Photo
from whysaid.errors import UserError

FILES = ("instances", "person_boxes")
"""Beginnings of the files' names, what lies in an earlier one goes before."""

LARGEST_SIDE = 16_384
"""Pixels of a picture's height or width: a mask is drawn at the size that the annotations say."""


@dataclass(frozen=True)
class Instance:
    """One object of a picture.

    id: of its annotation. category: its name. box: (left, top, width, height) in pixels of the picture.
    size: (H, W) of the picture. segmentation: polygons or run lengths as COCO writes them, or None. crowd: it stands
    for many objects that are not told apart.
    """

    id: int
    category: str
    box: tuple[float, float, float, float]
    size: tuple[int, int]
    segmentation: Any = None
    crowd: bool = False

    def boxed(self, side: int, across: int | None = None) -> NDArray[np.bool_]:
        """(S, S), or (S, `across`): the pixels inside the box after the picture is resized so, at least one."""
        across = side if across is None else across
        left, top, width, height = self.box
        rows = _span(top, height, side / self.size[0], side)
        columns = _span(left, width, across / self.size[1], across)
        inside = np.zeros((side, across), bool)
        inside[rows, columns] = True
        return inside

    def mask(self, side: int, across: int | None = None) -> NDArray[np.bool_]:
        """(S, S), or (S, `across`): the object's own pixels where they are annotated, otherwise its box."""
        across = side if across is None else across
        if not self.segmentation:
            return self.boxed(side, across)
        code = self.segmentation
        if not isinstance(code, dict):
            code = coco_mask.merge(coco_mask.frPyObjects(code, *self.size))
        elif isinstance(code["counts"], list):
            code = coco_mask.frPyObjects(code, *self.size)
        drawn = Image.fromarray(coco_mask.decode(code) * 255)
        inside = np.asarray(drawn.resize((across, side), Image.Resampling.NEAREST)) > 0
        return inside if inside.any() else self.boxed(side, across)


def _span(start: float, length: float, scale: float, side: int) -> slice:
    """The pixels whose centres lie in [start, start + length) after scaling, at least one."""
    first = min(max(round(start * scale), 0), side - 1)
    return slice(first, min(max(round((start + length) * scale), first + 1), side))


class Instances:
    """The annotated objects of images.

    Attributes:
        covered: image id → the categories of which all objects are annotated; images without annotations are absent.
        objects: image id → its objects, those of uncovered categories left out.
    """

    def __init__(self) -> None:
        self.covered: dict[int, set[str]] = defaultdict(set)
        self.objects: dict[int, list[Instance]] = defaultdict(list)

    def of(self, image_id: int, category: str) -> list[Instance]:
        """The objects of a category in an image."""
        return [found for found in self.objects.get(image_id, ()) if found.category == category]

    def read(self, path: Path) -> Any:
        """Takes over a file, and returns its contents; UserError where it is broken."""
        content = read_json(path)
        with laid_out(path):
            self.add(content)
        return content

    def add(self, content: dict[str, Any]) -> None:
        """Takes over what a file holds: each image in it is covered for each category in it, unless it was so before.

        UserError where a picture is of an absurd size.
        """
        names = {category["id"]: category["name"] for category in content["categories"]}
        sizes = {image["id"]: _sensible(image["height"], image["width"]) for image in content["images"]}
        new = {image_id: set(names.values()) - self.covered.get(image_id, set()) for image_id in sizes}
        for entry in content["annotations"]:
            image_id, category = entry["image_id"], names[entry["category_id"]]
            if category in new.get(image_id, ()):
                box, crowd = tuple(entry["bbox"]), bool(entry.get("iscrowd", 0))
                segmentation = entry.get("segmentation")
                if isinstance(segmentation, dict):
                    _sensible(*segmentation["size"])
                instance = Instance(entry["id"], category, box, sizes[image_id], segmentation, crowd)
                self.objects[image_id].append(instance)
        for image_id, categories in new.items():
            self.covered[image_id] |= categories


def _sensible(height: int, width: int) -> tuple[int, int]:
    """The size itself; UserError where no picture has it."""
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise UserError(
            f"a picture of {height} × {width} pixels is annotated: no file of photos says so; fetch it again"
        )
    return height, width


def read_instances(images: Iterable[Photo]) -> Instances:
    """What is annotated beside the given images: `ROOT/annotations/*_FOLDER.json` for images in `ROOT/FOLDER`.

    Images without annotations are absent from the result. Raises UserError where a file is broken.
    """
    found = Instances()
    for folder in sorted({image.path.parent for image in images}):
        for kind in FILES:
            path: Path = folder.parent / "annotations" / f"{kind}_{folder.name}.json"
            if path.exists():
                found.read(path)
    return found


def annotated_objects(photo: Path) -> list[Instance] | None:
    """The objects of a photo that lies in a data set's folder, `ROOT/FOLDER/photo.jpg`; None where none are annotated.

    Raises UserError where `ROOT/annotations/instances_FOLDER.json` is broken.
    """
    folder = photo.absolute().parent
    path = folder.parent / "annotations" / f"instances_{folder.name}.json"
    ids, objects = _named(path) if path.exists() else ({}, {})
    return objects.get(ids[photo.name], []) if photo.name in ids else None


@lru_cache(maxsize=1)
def _named(path: Path) -> tuple[dict[str, int], dict[int, list[Instance]]]:
    """File name → image id, and the objects of an instances file."""
    found = Instances()
    content = found.read(path)
    return {image["file_name"]: image["id"] for image in content["images"]}, found.objects


def read_annotations(folder: Path) -> Instances:
    """All that is annotated in a folder of such files, for whatever images. Raises UserError where a file is broken."""
    found = Instances()
    for kind in FILES:
        for path in sorted(folder.glob(f"{kind}_*.json")):
            found.read(path)
    return found
