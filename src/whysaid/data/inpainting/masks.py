"""Holes to learn to fill: boxes, strokes of a brush, and the shapes of objects.

Lengths are given at 256 pixels, as published, and scale with the shorter side S of the picture. H, W pixels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.morphology import dilation, disk

from whysaid.errors import UserError

Mask = NDArray[np.bool_]
"""(H, W), true = hole."""

PUBLISHED_SIZE = 256
"""Pixels of the published training images, which all lengths here refer to."""


class Shape:
    """One kind of hole."""

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        """A mask (H, W), true somewhere; the same state of `rng` draws the same one."""
        raise NotImplementedError

    def prefetch(self) -> None:
        """Reads the files that its holes are made of now, once, and not in each of the processes that draw."""


@dataclass(frozen=True)
class Box(Shape):
    """A rectangle anywhere in the picture: half of S on a side, less a random margin.

    Attributes:
        shrink: the margin on each of the four sides is at most so many pixels (of 256); published: 16.
    """

    shrink: float = 16.0

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        side = min(height, width) // 2
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        margin = round(scaled(self.shrink, height, width))
        down, right = rng.integers(0, margin + 1, 2)
        mask = np.zeros((height, width), bool)
        mask[top + down : top + side - down, left + right : left + side - right] = True
        return mask


@dataclass(frozen=True)
class FreeForm(Shape):
    """Strokes of a round brush that swings from side to side (Yu et al. 2019, Alg. 1), mirrored at random.

    Attributes:
        strokes: fewest and most; published: 1–3.
        vertices: of a stroke, fewest and most; published: 4–11.
        angle, swing: mean turn of a stroke at a vertex and how far it varies, in parts of 2π; published: 1/5, 1/15.
        brush: thinnest and thickest, pixels (of 256); published: 12–40.
    """

    strokes: tuple[int, int] = (1, 3)
    vertices: tuple[int, int] = (4, 11)
    angle: float = 1 / 5
    swing: float = 1 / 15
    brush: tuple[float, float] = (12.0, 40.0)

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        canvas = Image.new("1", (width, height))
        draw = ImageDraw.Draw(canvas)
        for _ in range(rng.integers(self.strokes[0], self.strokes[1] + 1)):
            self._stroke(draw, rng, height, width)
        return flipped(np.array(canvas), rng)

    def _stroke(self, draw: ImageDraw.ImageDraw, rng: np.random.Generator, height: int, width: int) -> None:
        least, most = (2 * math.pi * (self.angle + sign * rng.uniform(0, self.swing)) for sign in (-1, 1))
        length = math.hypot(height, width) / 8  # mean of a segment
        brush = max(1, round(scaled(rng.uniform(*self.brush), height, width)))
        x, y = float(rng.integers(0, width)), float(rng.integers(0, height))
        points = [(x, y)]
        for i in range(rng.integers(self.vertices[0], self.vertices[1] + 1)):
            turn = rng.uniform(least, most) * (1 if i % 2 else -1)
            far = float(np.clip(rng.normal(length, length / 2), 0, 2 * length))
            x = float(np.clip(x + far * math.cos(turn), 0, width))
            y = float(np.clip(y + far * math.sin(turn), 0, height))
            points.append((x, y))
        draw.line(points, fill=1, width=brush)
        for x, y in points:
            draw.ellipse((x - brush / 2, y - brush / 2, x + brush / 2, y + brush / 2), fill=1)


class Objects(Shape):
    """The outline of an object of some other picture, put anywhere, mirrored at random, and dilated.

    Args:
        outlines: masks of objects, each at least one pixel large.
        share: least and largest share of the picture that a hole takes before it is dilated, in (0, 1).
        dilate: pixels (of 256) by which the outline grows.
    """

    def __init__(self, outlines: Sequence[Mask], share: tuple[float, float] = (0.03, 0.25), dilate: float = 6.0):
        self.outlines, self.share, self.dilate = outlines, share, dilate

    def prefetch(self) -> None:
        len(self.outlines)

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        outline = flipped(trimmed(self.outlines[int(rng.integers(len(self.outlines)))]), rng)
        share = rng.uniform(*self.share)
        scale = math.sqrt(share * height * width / np.count_nonzero(outline))
        rows = max(1, min(height, round(outline.shape[0] * scale)))
        columns = max(1, min(width, round(outline.shape[1] * scale)))
        resized = np.array(Image.fromarray(outline).resize((columns, rows), Image.Resampling.NEAREST))
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        mask = np.zeros((height, width), bool)
        mask[top : top + rows, left : left + columns] = resized
        return grown(mask, self.dilate)


@dataclass(frozen=True)
class Union(Shape):
    """All of several kinds at once; a box and strokes in the paper.

    Attributes:
        shapes: name → kind, drawn in this order.
    """

    shapes: Mapping[str, Shape]

    def prefetch(self) -> None:
        for shape in self.shapes.values():
            shape.prefetch()

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        mask = np.zeros((height, width), bool)
        for shape in self.shapes.values():
            mask |= shape(rng, height, width)
        return mask


@dataclass(frozen=True)
class OneOf(Shape):
    """One of several kinds, each as often as its weight says.

    Attributes:
        shapes: name → kind.
        weights: name → how often, in any unit.

    Raises UserError where a kind has no weight, or a weight no kind.
    """

    shapes: Mapping[str, Shape]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.shapes.keys() != self.weights.keys():
            kinds, weights = ", ".join(self.shapes), ", ".join(self.weights)
            raise UserError(f"holes of the kinds {kinds} have weights for {weights}: give one for each in data.masks")

    def prefetch(self) -> None:
        for shape in self.shapes.values():
            shape.prefetch()

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> Mask:
        kinds = list(self.shapes)
        shares = np.array([self.weights[kind] for kind in kinds]) / sum(self.weights.values())
        return self.shapes[kinds[rng.choice(len(kinds), p=shares)]](rng, height, width)


def scaled(length: float, height: int, width: int) -> float:
    """A length at 256 pixels, at this size."""
    return length * min(height, width) / PUBLISHED_SIZE


def dilated(mask: Mask, radius: int) -> Mask:
    """The mask grown by `radius` pixels in all directions, a disk around each of its own."""
    return np.asarray(dilation(mask, disk(radius))) if radius > 0 else mask


def grown(mask: Mask, length: float) -> Mask:
    """The mask grown by a length at 256 pixels in all directions: the hole that an object leaves."""
    return dilated(mask, round(scaled(length, *mask.shape)))


def trimmed(mask: Mask) -> Mask:
    """The mask's bounding box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def flipped(mask: Mask, rng: np.random.Generator) -> Mask:
    """The mask, mirrored across each axis or not."""
    for axis in (0, 1):
        if rng.random() < 0.5:
            mask = np.flip(mask, axis)
    return mask
