"""Outlines of annotated objects, to make holes of."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from whysaid.data.annotated import read_instances
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.inpainting.masks import Mask
from whysaid.data.instances import Instance
from whysaid.data.splits import Source
from whysaid.errors import UserError

SIDE = 128
"""Pixels of the square that outlines are kept in."""


class Outlines(Sequence[Mask]):
    """Masks (128, 128) of objects of the training pictures; read when first asked for.

    Args:
        source: of the pictures, with `instances_*.json` beside them.
        limit: so many at most, drawn from all.
        least: share of its picture that an object must take to be drawn, in [0, 1].
        seed: of the draw.
    """

    def __init__(self, source: Source[CaptionedImage], limit: int = 500, least: float = 0.005, seed: int = 0):
        self.source, self.limit, self.least, self.seed = source, limit, least, seed

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: Any) -> Any:
        return self._masks[index]

    @cached_property
    def _masks(self) -> list[Mask]:
        objects = read_instances(self.source.read("train")).objects
        outlined = [thing for i in sorted(objects) for thing in objects[i] if self._wanted(thing)]
        if not outlined:
            raise UserError("no training picture has outlined objects: leave `Objects` out of data.masks")
        drawn = np.random.default_rng(self.seed).permutation(len(outlined))[: self.limit]
        return [outlined[i].mask(SIDE) for i in drawn]

    def _wanted(self, thing: Instance) -> bool:
        height, width = thing.size
        return bool(thing.segmentation) and thing.box[2] * thing.box[3] >= self.least * height * width
