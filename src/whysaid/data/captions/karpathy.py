"""Flickr8k, Flickr30k and MSCOCO with the Karpathy split: `dataset_{flickr8k,flickr30k,coco}.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whysaid.data.captions.captioned_image import CaptionedImage, captioned
from whysaid.data.files.annotation_file import identity, inside, laid_out, read_json


class Karpathy:
    """Captions in the Karpathy JSON: one list of images, each with its split and sentences.

    An image's id is COCO's (`cocoid`) where it has one, else its number in the file (`imgid`).

    Args:
        root: folder with the JSON file and the image folder.
        file: name of the JSON file.
        images: name of the image folder; an image's `filepath` is a folder in it.
        restval: whether the images called so, what COCO's validation split has besides those of `val` and `test`, are
            training images, as usual; they are left out otherwise.
    """

    def __init__(self, root: str, file: str, images: str = ".", restval: bool = False):
        self.root, self.file, self.images, self.restval = Path(root), file, images, restval

    def read(self, split: str) -> list[CaptionedImage]:
        """The images of `train`, `val` or `test` that have a caption, in the file's order; see `captioned`."""
        content = read_json(self.root / self.file)
        names = {split, "restval"} if split == "train" and self.restval else {split}
        with laid_out(self.root / self.file):
            read = [self._image(entry) for entry in content["images"] if entry["split"] in names]
        return captioned(read, split)

    def _image(self, entry: Mapping[str, Any]) -> CaptionedImage:
        sentences = tuple(" ".join(s["raw"].split()) for s in entry["sentences"] if s["raw"].strip())
        path = inside(self.root / self.images, str(Path(entry.get("filepath", ""), entry["filename"])))
        return CaptionedImage(identity(entry.get("cocoid", entry["imgid"]), "an image"), path, sentences)
