"""Annotated objects of images in COCO's layout: `annotations/instances_*.json` and `person_boxes_*.json`.

H, W size of the annotated picture, S side of an encoder's square, pixels; N objects.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from whysaid.data.files.annotation_file import identity, laid_out, read_json
from whysaid.data.segmentation import box_around, draw, is_box, sensible_size, usable
from whysaid.errors import UserError

log = logging.getLogger(__name__)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Instance:
    """One object of a picture.

    id: of its annotation. category: its name. box: (left, top, width, height) in pixels of the picture.
    size: (H, W) of the picture. segmentation: polygons or run lengths as COCO writes them, or None. crowd: it stands
    for many objects that are not told apart.
    """

    id: int
    category: str
    box: Box
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
        drawn = draw(self.segmentation, *self.size)
        if drawn is None:
            return self.boxed(side, across)
        resized = Image.fromarray(drawn).resize((across, side), Image.Resampling.NEAREST)
        inside = np.asarray(resized, bool)
        return inside if inside.any() else self.boxed(side, across)


class Detector(Protocol):
    """Finds objects where none are annotated."""

    @property
    def categories(self) -> Sequence[str]:
        """The names of all that it may find."""

    def __call__(self, photo: Image.Image, device: torch.device | str = "cpu") -> list[Instance]:
        """The objects of an RGB photo."""


def _span(start: float, length: float, scale: float, side: int) -> slice:
    """The pixels whose centres lie in [start, start + length) after scaling, at least one."""
    first = min(max(round(start * scale), 0), side - 1)
    return slice(first, min(max(round((start + length) * scale), first + 1), side))


class Instances:
    """The annotated objects of images.

    Attributes:
        covered: image id → the categories of which all objects are annotated; images without annotations are absent.
        objects: image id → its objects, those of uncovered categories left out.
        damaged: ids of annotations of which a part of the outline cannot be drawn, or the box is none: the other parts,
            or the box, or the box around the outline, stand in for them.
        lost: ids of annotations that have neither, and are left out.
    """

    def __init__(self) -> None:
        self.covered: dict[int, set[str]] = defaultdict(set)
        self.objects: dict[int, list[Instance]] = defaultdict(list)
        self.damaged: list[int] = []
        self.lost: list[int] = []

    def of(self, image_id: int, category: str) -> list[Instance]:
        """The objects of a category in an image."""
        return [instance for instance in self.objects.get(image_id, ()) if instance.category == category]

    def read(self, path: Path, adapted: Callable[[Any], dict[str, Any]] | None = None) -> Any:
        """Takes over a file, and returns its contents; UserError where it is broken.

        Args:
            path: of the file.
            adapted: makes of its contents what is taken over; None takes all.
        """
        content = read_json(path)
        damaged, lost = len(self.damaged), len(self.lost)
        with laid_out(path):
            self.add(content if adapted is None else adapted(content))
        for ids, what in (
            (self.damaged[damaged:], "have outlines or boxes that cannot be drawn: what is whole of them stands in"),
            (self.lost[lost:], "have neither an outline nor a box that can be drawn, and are left out"),
        ):
            if ids:
                log.warning("%s: %d objects %s; the first is annotation %s", path, len(ids), what, ids[0])
        return content

    def add(self, content: dict[str, Any]) -> None:
        """Takes over what a file holds: each image in it is covered for each category in it, unless it was so before.

        UserError where a picture is of an absurd size.
        """
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        sizes = {
            identity(image["id"], "an image"): _size(image["height"], image["width"]) for image in content["images"]
        }
        new = {image_id: set(names.values()) - self.covered.get(image_id, set()) for image_id in sizes}
        for entry in content["annotations"]:
            image_id, category = identity(entry["image_id"], "an object's image"), names[entry["category_id"]]
            if category in new.get(image_id, ()):
                instance = self._instance(entry, category, sizes[image_id])
                if instance is not None:
                    self.objects[image_id].append(instance)
        for image_id, categories in new.items():
            self.covered[image_id] |= categories

    def _instance(self, entry: Mapping[str, Any], category: str, size: tuple[int, int]) -> Instance | None:
        """Makes an object of what is whole of its annotation; None where nothing is."""
        number = identity(entry["id"], "an object")
        segmentation, left_out = usable(entry.get("segmentation"))
        box: Box | None = tuple(entry["bbox"]) if is_box(entry.get("bbox")) else None
        if left_out or box is None:
            drawn = draw(segmentation, *size) if box is None else None
            box = box if drawn is None else box_around(drawn)
            (self.lost if box is None else self.damaged).append(number)
        if box is None:
            return None
        return Instance(number, category, box, size, segmentation, bool(entry.get("iscrowd", 0)))


def _size(height: Any, width: Any) -> tuple[int, int]:
    """Returns the size itself; UserError where no picture has it."""
    if not sensible_size(height, width):
        raise UserError(
            f"a picture of {height} × {width} pixels is annotated: no file of photos says so; fetch it again"
        )
    return height, width
