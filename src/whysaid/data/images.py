"""From an image file to the tensor an encoder expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from whysaid.errors import UserError


@dataclass(frozen=True)
class Photo:
    """One photo: its id in the data set's own files, and where it lies."""

    id: int
    path: Path


_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What a photo may be, whatever its name says (JPEG is MPO too, which Pillow knows by no name of its own for reading).

Pillow reads more: for EPS it would start Ghostscript on the file.
"""

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Orientation → what makes the photo upright."""


def load_image(path: str | Path) -> Image.Image:
    """The photo in a file as 8-bit RGB, upright by its EXIF orientation, transparency laid on white.

    Grayscale, palette, CMYK, alpha and 16-bit files are all accepted; of an animation, the first frame.
    Raises UserError, naming the file, where it is missing, truncated or no image.
    """
    try:
        with Image.open(path, formats=FORMATS) as file:
            file.load()
            return _to_rgb(_upright(file))
    except FileNotFoundError:
        raise UserError(f"there is no image {path}: check the path") from None
    except Exception as error:  # Pillow's readers raise anything, from SyntaxError to struct.error, on a broken file
        raise UserError(f"{path} cannot be read as an image ({error}): replace or remove it") from error


def first_readable(photos: Sequence[Photo], index: int) -> tuple[int, Image.Image, list[str]]:
    """The photo at `index`, or the next one that can be read, round the end.

    Returns its own index, the photo, and the files before it that cannot be read; UserError where none can be.
    """
    broken: list[str] = []
    for offset in range(len(photos)):
        chosen = (index + offset) % len(photos)
        try:
            return chosen, load_image(photos[chosen].path), broken
        except UserError:
            broken.append(str(photos[chosen].path))
    raise UserError(f"none of {len(photos)} images can be read, the first is {broken[0]}")


def _upright(image: Image.Image) -> Image.Image:
    """Turns a photo as its EXIF orientation says.

    Pillow's own `exif_transpose` writes the EXIF data anew, and fails on a photo of which another tag is mistyped.
    """
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:  # Pillow's own conversion would clip at 255 instead of scaling
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


@dataclass(frozen=True)
class Preprocessing:
    """An RGB photo → the normalised tensor an encoder expects; resized to a square, never cropped.

    Attributes:
        size: height and width, pixels.
        mean: subtracted from each channel, on images in [0, 1].
        std: divides each channel.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Image.Image) -> Tensor:
        """An RGB image of any size → (3, size, size) float32, (x − mean) / std of pixels x in [0, 1]."""
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float()
        mean, std = self._statistics(pixels)
        return pixels.div_(255).sub_(mean).div_(std)

    def inverse(self, images: Tensor) -> Tensor:
        """Normalised images (…, 3, H, W) → pixels in [0, 1]."""
        mean, std = self._statistics(images)
        return (images * std + mean).clamp(0, 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for a checkpoint."""
        return {"size": self.size, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """The preprocessing that `to_dict` described."""
        return cls(int(values["size"]), tuple(values["mean"]), tuple(values["std"]))

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """mean and std as (3, 1, 1) on the device of `like`."""
        return like.new_tensor(self.mean).view(-1, 1, 1), like.new_tensor(self.std).view(-1, 1, 1)


def imagenet_preprocessing(size: int = 224) -> Preprocessing:
    """The statistics torchvision's ImageNet weights were trained with."""
    return Preprocessing(size, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
