"""Flickr8k and Flickr30k with the Karpathy split (`dataset_flickr8k.json`, `dataset_flickr30k.json`)."""

from pathlib import Path

from src.data.captions import CaptionedImage
from src.data.coco import inside, read_json


class Karpathy:
    """Captions in the Karpathy JSON: one list of images, each with its split and sentences.

    Args:
        root: folder with the JSON file and the image folder.
        file: name of the JSON file.
        images: name of the image folder.
    """

    def __init__(self, root: str, file: str, images: str):
        self.root, self.file, self.images = Path(root), file, images

    def read(self, split: str) -> list[CaptionedImage]:
        """The images of `train`, `val` or `test` that have a caption, in the file's order."""
        entries = read_json(self.root / self.file)["images"]
        chosen = [entry for entry in entries if entry["split"] == split]
        read = [
            CaptionedImage(
                entry["imgid"],
                inside(self.root / self.images, entry["filename"]),
                tuple(" ".join(s["raw"].split()) for s in entry["sentences"] if s["raw"].strip()),
            )
            for entry in chosen
        ]
        return [image for image in read if image.captions]
