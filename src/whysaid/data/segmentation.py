"""Outlines of objects as COCO writes them, looked at before anything draws them.

A segmentation is a list of polygons `[x1, y1, x2, y2, …]` in pixels, or run lengths, `{"size": [H, W], "counts": …}`,
down the columns, first those outside the object, as a list of numbers or packed into a string. The C code of
pycocotools checks neither: numbers that no picture has would make it write outside of its memory, or ask for all there
is.

H, W pixels of the picture.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from whysaid.data.images import LARGEST_SIDE

LARGEST_OUTLINE = 4_000_000
"""Pixels along a polygon's edge; each costs pycocotools about 100 bytes while it draws."""

_CORNERS = 3


def sensible_size(height: object, width: object) -> bool:
    """Tells whether a picture may have this height and width: masks are drawn at the size that annotations say."""
    return all(type(side) is int and 0 < side <= LARGEST_SIDE for side in (height, width))


def usable(segmentation: Any) -> tuple[Any, int]:
    """Returns what can be drawn of a segmentation, None where nothing can, and how many of its parts cannot.

    Args:
        segmentation: as it was read, of any kind whatever.
    """
    if not segmentation:
        return None, 0
    if isinstance(segmentation, Mapping):
        return (None, 1) if run_lengths(segmentation) is None else (segmentation, 0)
    if not isinstance(segmentation, list | tuple):
        return None, 1
    polygons = [part for part in segmentation if _is_polygon(part)]
    return polygons or None, len(segmentation) - len(polygons)


def draw(segmentation: Any, height: int, width: int) -> NDArray[np.bool_] | None:
    """Draws what can be drawn of a segmentation.

    Returns:
        The pixels of the object: (H, W) for polygons, of the size that is written beside run lengths. None where
        nothing can be drawn.
    """
    drawable, _ = usable(segmentation)
    if drawable is None:
        return None
    if isinstance(drawable, Mapping):
        counts = run_lengths(drawable)
        assert counts is not None
        rows, columns = drawable["size"]
        return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(columns, rows).T
    inside: NDArray[np.uint8] = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(drawable, height, width)))
    return inside.astype(bool)


def run_lengths(code: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """Returns the lengths of the runs, which fill the picture exactly; None where these do not, or are no numbers."""
    size, counts = code.get("size"), code.get("counts")
    if not (isinstance(size, list | tuple) and len(size) == 2 and sensible_size(*size)):
        return None
    if isinstance(counts, str | bytes):
        lengths = _unpacked(counts)
    elif isinstance(counts, list | tuple) and all(type(count) is int for count in counts):
        lengths = list(counts)
    else:
        return None
    if not lengths or min(lengths) < 0 or sum(lengths) != size[0] * size[1]:
        return None
    return np.array(lengths, np.int64)


def _unpacked(packed: str | bytes) -> list[int]:
    """Unpacks COCO's string of run lengths; empty where it is none.

    Five bits to a character, offset by 48, the lowest first; the sixth bit says that more follow, and the highest of
    the last five is the sign. From the fourth number on, each is the difference to the one before the last.
    """
    lengths: list[int] = []
    value, shift = 0, 0
    for character in packed if isinstance(packed, bytes) else map(ord, packed):
        bits = character - 48
        if not 0 <= bits < 64 or shift > 40:
            return []
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value, shift = 0, 0
    return [] if shift else lengths


def _is_polygon(part: Any) -> bool:
    """Tells whether a part of a segmentation is a polygon that can be drawn."""
    if not isinstance(part, list | tuple) or len(part) < 2 * _CORNERS or len(part) % 2:
        return False
    try:
        least, most, total = min(part), max(part), sum(part)
        if not (math.isfinite(total) and least >= -LARGEST_SIDE and most <= 2 * LARGEST_SIDE):
            return False
    except (TypeError, OverflowError):  # no numbers, or beyond what a float holds
        return False
    return len(part) * (most - least) <= LARGEST_OUTLINE or _edge(part) <= LARGEST_OUTLINE


def _edge(polygon: list[float] | tuple[float, ...]) -> float:
    """Counts the pixels along the edge of a polygon."""
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    return float(np.abs(np.diff(corners, axis=0, append=corners[:1])).max(1).sum())


def is_box(box: Any) -> bool:
    """Tells whether something is a box (left, top, width, height) that lies somewhere."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        return False
    try:
        return math.isfinite(sum(box)) and min(box[2:]) >= 0 and max(map(abs, box)) <= 2 * LARGEST_SIDE
    except (TypeError, OverflowError):
        return False


def box_around(inside: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Returns the box around the pixels of an object, None where it has none."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    return float(left), float(top), float(columns[-1] + 1 - left), float(rows[-1] + 1 - top)
