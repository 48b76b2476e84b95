"""From an image file to the tensor an encoder expects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whysaid.errors import UserError


@dataclass(frozen=True)
class Photo:
    """One photo: its id in the data set's own files, and where it lies."""

    id: int
    path: Path


LARGEST_SIDE = 16_384
"""Pixels of a picture's height or width that any file may ask for."""

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
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError("it is a folder or a device")
        with Image.open(path, formats=FORMATS) as file:
            file.load()
            return _to_rgb(_upright(file))
    except FileNotFoundError:
        raise UserError(f"there is no image {path}: check the path") from None
    except Exception as error:  # Pillow's readers raise anything, from SyntaxError to struct.error, on a broken file
        raise UserError(f"{path} cannot be read as an image ({error}): replace or remove it") from error


def image_of(colours: NDArray[np.floating]) -> Image.Image:
    """Makes an image of colours (height, width, 3) in [0, 1]."""
    return Image.fromarray((colours * 255 + 0.5).astype(np.uint8))


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
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Reads the orientation, a number of whatever type the tag says; 1, upright, where EXIF cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
        return int(value[0] if isinstance(value, bytes | tuple | list) else value)
    except Exception:  # damaged EXIF costs no photo, and Pillow's reader of it raises anything
        return 1


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


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a width and a height."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """What an encoder sees of a photo.

    Attributes:
        box: the part of the photo, in shares of its sides; beyond 0 and 1 where it was padded.
        part: the part of the tensor that shows it, in shares of the tensor's sides.
    """

    box: Box = WHOLE
    part: Box = WHOLE


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

    @property
    def one_size(self) -> bool:
        """Whether photos of all shapes become tensors of one."""
        return True

    def views(self, width: int, height: int) -> tuple[View, ...]:
        """What the tensor shows of a photo of this many pixels: all of it."""
        return (View(),)

    def inverse(self, images: Tensor) -> Tensor:
        """Normalised images (…, 3, H, W) → pixels in [0, 1]."""
        mean, std = self._statistics(images)
        return (images * std + mean).clamp(0, 1)

    def to_dict(self) -> dict[str, Any]:
        """Describes it in plain containers, for a checkpoint."""
        return {"size": self.size, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Makes the preprocessing that `to_dict` described; ValueError where no run of this project wrote that."""
        size, mean, std = values["size"], tuple(values["mean"]), tuple(values["std"])
        if type(size) is not int or not 0 < size <= LARGEST_SIDE or len(mean) != 3 or len(std) != 3:
            raise ValueError(f"no photo is prepared as {size} pixels with {len(mean)} means and {len(std)} deviations")
        if not all(math.isfinite(value) for value in (*mean, *std)) or min(std) <= 0:
            raise ValueError(f"no photo is prepared with the means {mean} and the deviations {std}")
        return cls(size, mean, std)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """mean and std as (3, 1, 1) on the device of `like`."""
        return like.new_tensor(self.mean).view(-1, 1, 1), like.new_tensor(self.std).view(-1, 1, 1)


def imagenet_preprocessing(size: int = 224) -> Preprocessing:
    """Preprocessing with the statistics that torchvision's ImageNet weights were trained with."""
    return Preprocessing(size, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
