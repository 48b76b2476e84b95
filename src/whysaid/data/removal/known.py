"""The objects of training pictures: those that people have annotated, and those that a detector has found once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from whysaid.data.annotated import read_instances
from whysaid.data.files.whole import write_whole
from whysaid.data.images import Photo, load_image
from whysaid.data.instances import Detector, Instance, Instances
from whysaid.errors import UserError

SAVED = 500
"""Pictures after which what was found is written down."""

FOUND = "detected_objects.json"
"""Name of the file, in the data set's cache folder, in the layout of COCO's `instances_*.json`."""


def known_objects(images: Sequence[Photo], cache_dir: Path, name: str) -> Instances:
    """The objects of pictures; what people have annotated of a picture goes before what a detector has found in it.

    Args:
        images: of the training split.
        cache_dir: folder of what is derived from the data set.
        name: of the data set, for the message.

    Raises:
        UserError: no object is known, or a file is broken.
    """
    known = read_instances(images)
    path = cache_dir / FOUND
    if path.exists():
        known.read(path)
    if not any(known.objects.get(image.id) for image in images):
        raise UserError(
            f"no object of {name}'s training pictures is annotated or found: `python -m src.prepare data={name} "
            "masks=true` finds them with a detector"
        )
    return known


def find_objects(images: Sequence[Photo], detector: Detector, path: Path, device: str = "cpu") -> int:
    """Has a detector look at pictures, and writes what it finds; goes on where it was interrupted.

    Args:
        images: those that `path` holds already are passed over, and so are those that cannot be read.
        detector: finds objects, outlined.
        path: of a file in the layout of COCO's `instances_*.json`; its folder is made.
        device: that the detector runs on.

    Returns:
        How many objects are known now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = Instances()
    if path.exists():
        known.read(path)
    found = {image_id: known.objects.get(image_id, []) for image_id in known.covered}
    missing = [image for image in images if image.id not in found]
    for number, image in enumerate(tqdm(missing, desc="finding objects", unit="image", disable=None), 1):
        try:
            photo = load_image(image.path)
        except UserError:
            continue
        found[image.id] = detector(photo, device)
        if number % SAVED == 0:
            _write(path, found, detector.categories)
    _write(path, found, detector.categories)
    return sum(len(things) for things in found.values())


def _write(path: Path, found: Mapping[int, Sequence[Instance]], categories: Sequence[str]) -> None:
    """Image id → its objects; pictures without any count as looked at."""
    numbers = {category: number for number, category in enumerate(categories, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, things in found.items():
        size = things[0].size if things else (1, 1)
        images.append({"id": image_id, "height": size[0], "width": size[1]})
        for thing in things:
            annotations.append(_record(len(annotations) + 1, image_id, thing, numbers))
    named = [{"id": number, "name": category} for category, number in numbers.items()]
    content = {"images": images, "annotations": annotations, "categories": named}
    write_whole(path, json.dumps(content) + "\n")


def _record(number: int, image_id: int, thing: Instance, numbers: Mapping[str, int]) -> dict[str, Any]:
    code = thing.segmentation
    if isinstance(code, dict) and isinstance(code["counts"], bytes):
        code = {**code, "counts": code["counts"].decode("ascii")}
    return {
        "id": number,
        "image_id": image_id,
        "category_id": numbers[thing.category],
        "bbox": [float(length) for length in thing.box],
        "segmentation": code,
        "iscrowd": int(thing.crowd),
    }
