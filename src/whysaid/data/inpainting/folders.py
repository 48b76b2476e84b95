"""Photos without annotations: any folder of images, and CelebA."""

import hashlib
import os
from pathlib import Path

from whysaid.data.files.folder import visible_files
from whysaid.data.images import Photo
from whysaid.data.splits import SPLITS
from whysaid.errors import UserError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class ImageFolder:
    """Images under a folder, in `train/`, `val/` and `test/` where these are there, otherwise split by name.

    Args:
        root: the folder; images may lie in folders within it. Hidden files and folders, `.name`, are left out.
        val, test: share of the images of an undivided folder, in [0, 1); a name decides where an image belongs, so it
            stays there when others are added.
    """

    def __init__(self, root: str, val: float = 0.05, test: float = 0.05):
        self.root, self.shares = Path(root), {"val": val, "test": test}

    def read(self, split: str) -> list[Photo]:
        """The images of `train`, `val` or `test`, in the order of their names."""
        if not self.root.is_dir():
            raise UserError(f"there is no folder {self.root}: set data.root to one with images")
        divided = all((self.root / name).is_dir() for name in SPLITS)
        folder = self.root / split if divided else self.root
        paths = [path for path in visible_files(folder, below=True) if path.suffix.lower() in SUFFIXES]
        chosen = [path for path in paths if divided or self._split(path) == split]
        if not chosen:
            raise UserError(f"{folder} has no image for the {split} split: put some there, or set data.root")
        return [Photo(number, path) for number, path in enumerate(chosen)]

    def _split(self, path: Path) -> str:
        name = os.fsencode(path.relative_to(self.root))  # which need not be UTF-8
        place = int.from_bytes(hashlib.blake2b(name, digest_size=4).digest()) / 2**32
        if place < self.shares["test"]:
            return "test"
        return "val" if place < self.shares["test"] + self.shares["val"] else "train"


class CelebA:
    """Aligned faces as published: `img_align_celeba/` and `list_eval_partition.txt`, a line `000001.jpg 0` for each of
    them: 0 = train, 1 = val, 2 = test.

    Args:
        root: folder of both.
    """

    def __init__(self, root: str):
        self.root = Path(root)

    def read(self, split: str) -> list[Photo]:
        """The faces of `train`, `val` or `test`, in the order of the file."""
        path = self.root / "list_eval_partition.txt"
        if not path.is_file():
            raise UserError(f"{path} is missing: `python -m src.prepare data=celeba` says where to get it")
        wanted = str(SPLITS.index(split))
        photos = []
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            fields = line.split()
            if len(fields) != 2 or fields[1] not in ("0", "1", "2") or Path(fields[0]).name != fields[0]:
                raise UserError(f"line {number} of {path} is no image name and 0, 1 or 2: fetch it again")
            if fields[1] == wanted:
                photos.append(Photo(number, self.root / "img_align_celeba" / fields[0]))
        return photos
