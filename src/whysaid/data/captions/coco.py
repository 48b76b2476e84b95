"""The MSCOCO 2017 layout: `train2017/`, `val2017/`, `annotations/captions_*.json`. Scenes are written in it too."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from whysaid.data.captions.captioned_image import CaptionedImage, captioned
from whysaid.data.files.annotation_file import identity, inside, laid_out, read_json
from whysaid.errors import UserError


class Coco2017:
    """Captions in COCO 2017 layout, split as Sun et al. 2020 do.

    Training and validation are drawn from `train2017` by seed; `val2017` is the test split. A data set that brings its
    own `test2017` (Scenes) keeps its three folders as they are. The test split may have no captions, as COCO's own
    test images, of which `annotations/image_info_*.json` is published and which a server scores.

    Args:
        root: folder with `annotations/` and the image folders.
        train: training images drawn from train2017; None takes all that validation leaves.
        val: validation images drawn from train2017; None reads them from val2017 (and test from test2017).
        seed: of the draw.
        test: folder of the test images; None is `val2017`, or `test2017` where that is what validation reads.
    """

    def __init__(
        self,
        root: str,
        train: int | None = 110_000,
        val: int | None = 5_000,
        seed: int = 0,
        test: str | None = None,
    ):
        self.root = Path(root)
        self.train, self.val, self.seed, self.test = train, val, seed, test
        self._drawn: list[CaptionedImage] | None = None  # train2017 in the order of the draw, of which two splits are

    def read(self, split: str) -> list[CaptionedImage]:
        """The images of `train`, `val` or `test` that have a caption, in a fixed order; see `captioned`."""
        if split == "test":
            return self._read_folder(self.test or ("test2017" if self.val is None else "val2017"), split)
        if self.val is None:
            return self._read_folder(f"{split}2017", split)
        if self._drawn is None:
            self._drawn = self._read_folder("train2017", split)
            random.Random(self.seed).shuffle(self._drawn)
        images = self._drawn
        wanted = (self.train or 1) + self.val
        if wanted > len(images):
            raise UserError(
                f"{self.root}/train2017 has {len(images)} captioned images, fewer than the {wanted} asked for: "
                "add preset=coco_small, or set data.source.train and data.source.val"
            )
        held_out, rest = images[: self.val], images[self.val :]
        return held_out if split == "val" else rest[: self.train]

    def _read_folder(self, folder: str, split: str) -> list[CaptionedImage]:
        path = self.root / "annotations" / f"captions_{folder}.json"
        plain = path.with_name(f"image_info_{folder}.json")
        if split == "test" and plain.exists() and not path.exists():
            path = plain
        annotations = read_json(path)
        with laid_out(path):
            return captioned(self._images(annotations, folder, path == plain), split)

    def _images(self, annotations: Any, folder: str, plain: bool) -> list[CaptionedImage]:
        captions: dict[int, list[str]] = defaultdict(list)
        for annotation in [] if plain else annotations["annotations"]:
            if annotation["caption"].strip():
                image_id = identity(annotation["image_id"], "a caption's image")
                captions[image_id].append(" ".join(annotation["caption"].split()))
        images = sorted((identity(image["id"], "an image"), image["file_name"]) for image in annotations["images"])
        return [
            CaptionedImage(image_id, inside(self.root / folder, name), tuple(captions.get(image_id, ())))
            for image_id, name in images
        ]
