"""Which objects can be taken out of a picture, and where a fill can be put that removes nothing.

S side of the square that an encoder sees, pixels.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from whysaid.data.inpainting.masks import Mask, flipped, grown, trimmed
from whysaid.data.instances import Instance
from whysaid.errors import UserError

TRIES = 20
"""Places that are drawn for a fill where no object is, before the picture goes without."""


@dataclass(frozen=True, eq=False)
class Removal:
    """A hole in a picture.

    category: of the objects that leave through it, or None where it is at a place without objects. hole: (S, S).
    objects: the objects that leave.
    """

    category: str | None
    hole: Mask
    objects: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """What can be taken out.

    Attributes:
        smallest, largest: shares of the picture that all objects of a category together take, in [0, 1].
        dilate: pixels (of 256) by which the hole is larger than the objects.

    Raises:
        UserError: shares that no object could have.
    """

    smallest: float
    largest: float
    dilate: float

    def __post_init__(self) -> None:
        if not 0 <= self.smallest < self.largest <= 1 or self.dilate < 0:
            raise UserError(
                "data.removal takes 0 ≤ smallest < largest ≤ 1 and dilate ≥ 0, not "
                f"{self.smallest}, {self.largest} and {self.dilate}"
            )


def removals(objects: Iterable[Instance], named: Iterable[str], side: int, sizes: Sizes) -> list[Removal]:
    """The categories that can leave a picture, in alphabetical order.

    All objects of a category leave together, so that none stays; each must have an outline, and none may stand for a
    crowd.

    Args:
        objects: annotated in the picture.
        named: categories that its captions mention.
        side: S.
        sizes: of what can be taken out.
    """
    by_category: dict[str, list[Instance]] = defaultdict(list)
    for thing in objects:
        by_category[thing.category].append(thing)
    possible = []
    for category in sorted(set(named) & by_category.keys()):
        things = by_category[category]
        if any(thing.crowd or not thing.segmentation for thing in things):
            continue
        mask = np.any([thing.mask(side) for thing in things], 0)
        hole = grown(mask, sizes.dilate)
        if sizes.smallest <= mask.mean() <= sizes.largest and not hole.all():
            possible.append(Removal(category, hole, tuple(things)))
    return possible


def empty_place(
    objects: Sequence[Instance], like: Sequence[Removal], sizes: Sizes, rng: np.random.Generator
) -> Removal | None:
    """A hole of the shape of another at a place where no object is; down to half as large where it does not fit, and
    None where none of `TRIES` draws does.

    Args:
        objects: all that are annotated in the picture.
        like: at least one removal of this picture, whose shapes are taken.
        sizes: of what can be taken out.
        rng: of the draws.
    """
    shape = like[0].hole.shape
    occupied = grown(np.any([thing.mask(*shape) for thing in objects], 0), sizes.dilate)
    for attempt in range(TRIES):
        outline = _shrunk(flipped(trimmed(like[int(rng.integers(len(like)))].hole), rng), 1 - attempt / (2 * TRIES))
        top, left = (int(rng.integers(0, room - length + 1)) for room, length in zip(shape, outline.shape, strict=True))
        hole = np.zeros(shape, bool)
        hole[top : top + outline.shape[0], left : left + outline.shape[1]] = outline
        if not (hole & occupied).any():
            return Removal(None, hole)
    return None


def _shrunk(outline: Mask, scale: float) -> Mask:
    rows, columns = (max(1, round(length * scale)) for length in outline.shape)
    return np.array(Image.fromarray(outline).resize((columns, rows), Image.Resampling.NEAREST))
