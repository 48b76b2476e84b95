"""An object as pixels: its icon, supersampled, with a dark outline and a hard edge."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whysaid.data.scenes.icons import ICONS
from whysaid.data.scenes.objects import COLOURS
from whysaid.data.scenes.pen import DARK, Pen

SUPERSAMPLING = 4


@lru_cache(maxsize=4096)
def sprite(name: str, colour: str, side: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The picture of an object, and where it is.

    Args:
        name: class, of `CLASSES`.
        colour: of `COLOURS`.
        side: in pixels.

    Returns:
        (side, side, 3) float32 in [0, 255], and its silhouette (side, side) bool. The edge is hard, so that an object
        owns each of its pixels alone and its mask is exact; both arrays are shared and read-only.
    """
    outline = max(1, side // 32)
    inner = side - 2 * outline
    pen = Pen(SUPERSAMPLING * inner)
    ICONS[name](pen, COLOURS[colour])
    # Pillow premultiplies before it reduces an RGBA image, so that edges do not darken.
    small = np.pad(np.asarray(pen.image.resize((inner, inner), Image.Resampling.BOX)), ((outline,), (outline,), (0,)))
    drawn = small[..., 3] >= 128
    silhouette = drawn
    for _ in range(outline):
        silhouette = _grown(silhouette)
    pixels = np.where(drawn[..., None], small[..., :3], DARK).astype(np.float32)
    pixels.setflags(write=False)
    silhouette.setflags(write=False)
    return pixels, silhouette


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask (H, W) with its four-neighbours."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
