"""A photo and its objects, as figures of what depends on them take it.

H, W pixels of a photo; h × w cells of an attention map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class PhotoObject:
    """One object of a photo, and what happened without it.

    name: of its category. mask: (H, W) bool. importance: ≥ 0, or None where it was left in. skipped: why it was.
    picture: (H, W, 3) in [0, 1] without it. words: what is then said. drop: log-probability that the photo's own
    caption lost, nats. attention: (h, w) ≥ 0 where these words look together, or None. moved: how far attention moved,
    in [0, 1], of the words that stayed and of all together, or None each.
    """

    name: str
    mask: NDArray[np.bool_]
    importance: float | None = None
    skipped: str = ""
    picture: Array | None = None
    words: Sequence[str] = ()
    drop: float = 0.0
    attention: Array | None = None
    moved: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class PhotoObjects:
    """A photo (H, W, 3) in [0, 1], the words said of it, its objects, and (h, w) ≥ 0 where the words look together."""

    image: Array
    said: Sequence[str]
    parts: Sequence[PhotoObject]
    attention: Array | None = None

    @property
    def removed(self) -> list[PhotoObject]:
        """The objects that were taken out, the most important first."""
        return sorted((part for part in self.parts if part.importance is not None), key=importance_of, reverse=True)

    @property
    def ordered(self) -> list[PhotoObject]:
        """All objects, those that were taken out first."""
        return [*self.removed, *(part for part in self.parts if part.importance is None)]


def importance_of(part: PhotoObject) -> float:
    """Importance of an object, 0 of one that was left in."""
    return part.importance or 0.0
