"""Flickr8k and Flickr30k with the Karpathy split (`dataset_flickr8k.json`, `dataset_flickr30k.json`)."""

from pathlib import Path

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.files.annotation_file import inside, laid_out, read_json


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
        content = read_json(self.root / self.file)
        with laid_out(self.root / self.file):
            read = [
                CaptionedImage(
                    entry["imgid"],
                    inside(self.root / self.images, entry["filename"]),
                    tuple(" ".join(s["raw"].split()) for s in entry["sentences"] if s["raw"].strip()),
                )
                for entry in content["images"]
                if entry["split"] == split
            ]
        return [image for image in read if image.captions]
