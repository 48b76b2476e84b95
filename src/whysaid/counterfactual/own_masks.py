"""Masks that somebody drew for photos of their own: what is white is taken out.

H, W pixels of a mask.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from whysaid.data.files.folder import visible_files
from whysaid.data.images import load_image
from whysaid.data.inpainting.masks import Mask
from whysaid.data.instances import Instance
from whysaid.errors import UserError
from whysaid.run.printable import plain_stem

SAME_SHAPE = 0.02
"""Share by which the shape of a mask may differ from that of its photo, for rounded sizes."""


def mask_files(masks: Path, photo: Path, alone: bool) -> list[Path]:
    """Finds the masks of a photo, in order of name.

    Args:
        masks: one mask, for every photo; or a folder that holds `PHOTO.png`, or a folder `PHOTO` of several, for each
            photo called PHOTO. For a photo alone, all files of the folder are its masks where none is called so.
        photo: its file.
        alone: whether it is the only photo.

    Raises:
        UserError: there is no such file or folder, or no mask for this photo.
    """
    if masks.is_file():
        return [masks]
    if not masks.is_dir():
        raise UserError(f"there is no mask {masks}: give mask= a picture, white where it is to be filled, or a folder")
    own = masks / photo.stem
    files = visible_files(own) if own.is_dir() else [path for path in visible_files(masks) if path.stem == photo.stem]
    files = files or (visible_files(masks) if alone else [])
    if not files:
        raise UserError(f"{masks} has no mask for it: call it {photo.stem}.png, or put several into {own}")
    return files


def own_objects(files: list[Path], photo: Image.Image) -> list[Instance]:
    """Reads masks as objects of a photo, each called as its file is.

    Raises:
        UserError: a mask cannot be read, is of another shape than the photo, is black everywhere, or leaves nothing.
    """
    return [_object(number, path, photo.size) for number, path in enumerate(files, 1)]


def _object(number: int, path: Path, size: tuple[int, int]) -> Instance:
    drawn = load_image(path).convert("L")
    if abs(drawn.width * size[1] / (drawn.height * size[0]) - 1) > SAME_SHAPE:
        raise UserError(
            f"the mask {path} has {drawn.width} × {drawn.height} pixels, its photo {size[0]} × {size[1]}: "
            "draw it over the whole photo"
        )
    mask = _white(np.asarray(drawn))
    if not mask.any() or mask.all():
        raise UserError(
            f"the mask {path} is {'black' if not mask.any() else 'white'} everywhere: make white what is to be filled, "
            "and black all else"
        )
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    left, top, width, height = coco_mask.toBbox(code).tolist()
    return Instance(number, plain_stem(path), (left, top, width, height), mask.shape, code)


def _white(pixels: np.ndarray) -> Mask:
    """What is lighter than the middle between black and the lightest pixel, (H, W): masks of 0 and 1 count as well."""
    lightest = int(pixels.max())
    return np.asarray(pixels > lightest / 2)
