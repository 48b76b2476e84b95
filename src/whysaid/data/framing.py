"""From a photo of any size to a square of it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Framing:
    """Resizes so that the shorter side has a drawn length, then crops; as DeepFill's training images.

    Attributes:
        size: side of the square, pixels.
        resize: the shorter side before the crop, in sizes: drawn from this range (≥ 1) in training, its first value
            otherwise. None keeps photos as large as they are, or brings smaller ones to `size`.
        mirror: turn half of the training images left to right.
    """

    size: int
    resize: tuple[float, float] | None = None
    mirror: bool = True

    def drawn(self, photo: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Draws a square anywhere in the photo."""
        shorter = None if self.resize is None else round(self.size * rng.uniform(*self.resize))
        left, top = rng.random(2)
        square = self._cropped(photo, shorter, left, top)
        if self.mirror and rng.random() < 0.5:
            square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return square

    def middle(self, photo: Image.Image) -> Image.Image:
        """Cuts out the square in the middle."""
        return self._cropped(photo, None if self.resize is None else round(self.size * self.resize[0]), 0.5, 0.5)

    def _cropped(self, photo: Image.Image, shorter: int | None, left: float, top: float) -> Image.Image:
        """Crops and resizes in one: `left` and `top` say where, in [0, 1] of the room there is."""
        least = min(photo.size)
        scale = max(self.size, shorter or least) / least
        side = min(self.size / scale, least)  # which rounding may exceed
        x, y = left * (photo.width - side), top * (photo.height - side)
        if scale == 1:  # whole pixels are copied, not interpolated
            x, y = round(x), round(y)
            return photo.crop((x, y, x + self.size, y + self.size))
        box: Box = (x, y, min(x + side, photo.width), min(y + side, photo.height))
        return photo.resize((self.size, self.size), Image.Resampling.BICUBIC, box)
