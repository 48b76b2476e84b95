"""The MSCOCO 2017 layout: `train2017/`, `val2017/`, `annotations/captions_*.json`. Scenes are written in it too."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.images import Photo
from whysaid.errors import UserError

LARGEST_JSON = 4 * 2**30
"""Bytes of an annotation file; the largest of COCO and Visual Genome have less than 1 GB."""


class Coco2017:
    """Captions in COCO 2017 layout, split as Sun et al. 2020 do.

    Training and validation are drawn from `train2017` by seed; `val2017` is the test split. A data set that brings its
    own `test2017` (Scenes) keeps its three folders as they are.

    Args:
        root: folder with `annotations/` and the image folders.
        train: training images drawn from train2017; None takes all that validation leaves.
        val: validation images drawn from train2017; None reads them from val2017 (and test from test2017).
        seed: of the draw.
    """

    def __init__(self, root: str, train: int | None = 110_000, val: int | None = 5_000, seed: int = 0):
        self.root = Path(root)
        self.train, self.val, self.seed = train, val, seed

    def read(self, split: str) -> list[CaptionedImage]:
        """The images of `train`, `val` or `test` that have a caption, in a fixed order."""
        if self.val is None:
            return self._read_folder(f"{split}2017")
        if split == "test":
            return self._read_folder("val2017")
        images = self._read_folder("train2017")
        random.Random(self.seed).shuffle(images)
        wanted = (self.train or 1) + self.val
        if wanted > len(images):
            raise UserError(
                f"{self.root}/train2017 has {len(images)} captioned images, fewer than the {wanted} asked for: "
                "add preset=coco_small, or set data.source.train and data.source.val"
            )
        held_out, rest = images[: self.val], images[self.val :]
        return held_out if split == "val" else rest[: self.train]

    def _read_folder(self, folder: str) -> list[CaptionedImage]:
        path = self.root / "annotations" / f"captions_{folder}.json"
        annotations = read_json(path)
        with laid_out(path):
            return self._captioned(annotations, folder)

    def _captioned(self, annotations: Any, folder: str) -> list[CaptionedImage]:
        captions: dict[int, list[str]] = defaultdict(list)
        for annotation in annotations["annotations"]:
            if annotation["caption"].strip():
                captions[annotation["image_id"]].append(" ".join(annotation["caption"].split()))
        images = sorted(annotations["images"], key=lambda image: image["id"])
        return [
            CaptionedImage(image["id"], inside(self.root / folder, image["file_name"]), tuple(captions[image["id"]]))
            for image in images
            if captions[image["id"]]
        ]


def read_json(path: Path) -> Any:
    """A JSON file's contents; UserError where it is missing or broken."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UserError(f"{path} has {path.stat().st_size} bytes, more than any annotation file: fetch it again")
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `python -m src.prepare data=NAME`, or set data.root") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not a JSON file ({error}): fetch it again") from None


@contextmanager
def laid_out(path: Path) -> Iterator[None]:
    """While the contents of an annotation file are taken apart: UserError for what is not there, or of another kind."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not laid out as such a file is ({reason}): fetch it again") from error


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, refusing names from annotation files that lead out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"the file name {name!r} leads out of {folder}: the annotation file is not to be trusted")
    return folder / name


def require_images(images: Sequence[Photo], split: str) -> None:
    """UserError if a split is empty or its first images are not where they should be."""
    if not images:
        raise UserError(f"the {split} split has no annotated image: check data.root and the annotation files")
    missing = [image.path for image in images if not image.path.exists()]
    if missing:
        raise UserError(f"{len(missing)} of {len(images)} {split} images are missing, the first is {missing[0]}")
