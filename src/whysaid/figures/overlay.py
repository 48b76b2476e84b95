"""A heat map laid over a photo.

T maps; H, W pixels of the photo; h, w cells of the map.
"""

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import Colormap
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.functional import gaussian_blur

Array = NDArray[np.floating]

STRONGEST = 0.8
"""How much of the photo the colour of a value at the limit covers, in [0, 1]."""

STEEP = 4.0
"""Times uniform that attention must at least be to have the full colour: what is nearly uniform stays nearly plain."""

SOFT = 0.015
"""Standard deviation of the blur of shown maps, in longer sides of the photo."""


def colours(signed: bool) -> Colormap:
    """The colours of a map: yellow to dark red for maps ≥ 0; blue (against) over white to red (for) for signed ones."""
    return colormaps["RdBu_r" if signed else "YlOrRd"]


def overlay(image: Array, heat: Array, signed: bool = False, limit: float | None = None, neutral: float = 0.0) -> Array:
    """The photo in grey, coloured where the map is strong: colour and coverage both grow with |value| / limit.

    Args:
        image: (H, W, 3) in [0, 1].
        heat: (h, w) of any resolution. Not `signed`: ≥ 0, what is below counts 0.
        signed: red speaks for the word and blue against it, over the symmetric range [−limit, limit].
        limit: the value of full colour, > 0; by default `largest` of the map itself. Give the words of a caption the
            same limit, and their colours compare.
        neutral: the value below which a map that is not `signed` has no colour: 1/R of attention to R regions.

    Returns (H, W, 3) in [0, 1].
    """
    if limit is None:
        limit = largest(heat, neutral)
    strength = (_resized(heat, image.shape[:2]) - neutral) / (limit - neutral or 1.0)
    strength = strength.clip(-1 if signed else 0, 1)
    colour = colours(signed)((strength + 1) / 2 if signed else strength)[..., :3]
    cover = STRONGEST * np.sqrt(np.abs(strength))[..., None]  # the root keeps half-strong regions visible
    return (_muted(image) * (1 - cover) + colour * cover).clip(0, 1)


def largest(maps: Array, neutral: float = 0.0) -> float:
    """The largest |value| of maps, or `STEEP` times their neutral value where that is more."""
    return max(float(np.abs(maps).max(initial=0)), STEEP * neutral)


def soften(maps: Array) -> Array:
    """Blurs maps (T, h, w) of a photo's shape a little: single pixels that a pooling layer chose are too small to be
    seen, and alternating ones cancel as they do to the eye. For pictures only; what is stored stays sharp."""
    sigma = SOFT * max(maps.shape[1:])
    radius = min(int(3 * sigma) + 1, min(maps.shape[1:]) - 1)  # reflection needs a map that is larger
    with torch.autocast("cpu", enabled=False):  # validation may draw inside of one
        blurred = torch.from_numpy(maps).unsqueeze(1)
        for kernel in ([2 * radius + 1, 1], [1, 2 * radius + 1]):  # which takes far less than both sides at once
            blurred = gaussian_blur(blurred, kernel, [sigma] * 2)
    softened: Array = blurred.squeeze(1).numpy()
    return softened


def _resized(heat: Array, shape: tuple[int, ...]) -> Array:
    height, width = shape
    # Bilinear: a bicubic rings, and shows relevance against the word around every strong region for it.
    cells = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    return np.asarray(cells.resize((width, height), Image.Resampling.BILINEAR))


def _muted(image: Array) -> Array:
    """The photo nearly grey, so that the only strong colours are the map's."""
    grey = image @ np.array([0.299, 0.587, 0.114])
    return 0.2 * image + 0.8 * grey[..., None]
