"""Objects that a detector finds in a photo, to be asked about by a click.

H, W pixels of the shown photo.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.ndimage import binary_erosion

from whysaid.data.inpainting.masks import Mask, grown, scaled
from whysaid.data.instances import Instance
from whysaid.figures.curves import palette

LINE, MARGIN = 2.0, 6.0
"""Pixels (of 256): width of an outline; by how much a hole is larger than its object, as in `conf/counterfactual`."""

DIMMED = 0.35
"""What is left of the brightness outside of the chosen object."""


class FoundObject(NamedTuple):
    """name: its category, with a number where there are several. mask: (H, W), its own pixels."""

    name: str
    mask: Mask

    @property
    def hole(self) -> Mask:
        """(H, W): what is taken out with it."""
        return grown(self.mask, MARGIN)


def found_objects(instances: Sequence[Instance], size: tuple[int, int]) -> list[FoundObject]:
    """What a detector finds, in its order, for a shown photo of height and width `size`."""
    several = Counter(instance.category for instance in instances)
    met: Counter[str] = Counter()
    objects = []
    for instance in instances:
        met[instance.category] += 1
        number = f" {met[instance.category]}" if several[instance.category] > 1 else ""
        objects.append(FoundObject(instance.category + number, instance.mask(*size)))
    return objects


def at_point(objects: Sequence[FoundObject], across: float, down: float) -> int | None:
    """The place of the smallest object at a point, in shares of the photo's width and height; None where none is."""
    there = [
        (found.mask.sum(), place)
        for place, found in enumerate(objects)
        if found.mask[int(down * found.mask.shape[0]), int(across * found.mask.shape[1])]
    ]
    return min(there)[1] if there else None


def outlined(photo: Image.Image, objects: Sequence[FoundObject], chosen: int) -> Image.Image:
    """The photo with an outline around each object, dark outside of the chosen one; −1 chooses none."""
    pixels = np.array(photo)
    if chosen >= 0:
        pixels[~objects[chosen].mask] = pixels[~objects[chosen].mask] * DIMMED
    for found, colour in zip(objects, palette(len(objects)), strict=True):
        width = max(1, round(scaled(LINE, *found.mask.shape)))
        pixels[found.mask & ~binary_erosion(found.mask, iterations=width)] = np.array(to_rgb(colour)) * 255
    return Image.fromarray(pixels)
