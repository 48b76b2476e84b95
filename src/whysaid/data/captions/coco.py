"""The MSCOCO 2017 layout: `train2017/`, `val2017/`, `annotations/captions_*.json`. Scenes are written in it too."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.files.annotation_file import inside, laid_out, read_json
from whysaid.errors import UserError


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
