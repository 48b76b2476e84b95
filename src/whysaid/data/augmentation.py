"""Training pictures moved and mirrored at random, and questions that stay true of them.

H, W pixels.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from whysaid.data.sampler import Key
from whysaid.errors import UserError

_SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left"}


class Transformation(NamedTuple):
    """A change of one picture: moved by so many pixels to the right and down, then mirrored or not."""

    right: int = 0
    down: int = 0
    mirrored: bool = False

    def picture(self, pixels: Tensor) -> Tensor:
        """(3, H, W) → the same; what comes in at a border repeats it."""
        _, height, width = pixels.shape
        edge = max(abs(self.right), abs(self.down))
        if edge:
            wide = pad(pixels.unsqueeze(0), (edge,) * 4, mode="replicate").squeeze(0)
            top, left = edge - self.down, edge - self.right
            pixels = wide[:, top : top + height, left : left + width]
        return pixels.flip(2) if self.mirrored else pixels

    def text(self, text: str) -> str:
        """Exchanges left and right where the picture is mirrored."""
        return _SIDES.sub(lambda side: _OTHER[side[0].lower()], text) if self.mirrored else text


@dataclass(frozen=True)
class Augmentation:
    """Draws a change of each picture in each epoch, a function of (seed, epoch, index) alone.

    Attributes:
        shift: at most so many pixels, each way.
        mirror: half of the pictures.
        seed: of the draws.
    """

    shift: int = 0
    mirror: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UserError(f"pictures are moved by 0 pixels or more, not by {self.shift}: change data.shift")

    def __bool__(self) -> bool:
        return self.shift > 0 or self.mirror

    def change(self, key: Key) -> Transformation:
        """Draws the change of one picture in one epoch."""
        if not self:
            return Transformation()
        generator = np.random.default_rng((self.seed, key.epoch, key.index))
        right, down = generator.integers(-self.shift, self.shift, 2, endpoint=True).tolist()
        return Transformation(right, down, self.mirror and bool(generator.integers(2)))
