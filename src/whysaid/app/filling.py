"""A painted region of a photo, filled by an inpainter."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from whysaid.counterfactual.importance import Inpaint, shrunk

SIDE = 256
"""Pixels of the shorter side in which a hole is filled; inpainters are trained on about as many."""


class Filling:
    """Fills holes of photos of any size.

    Args:
        inpaint: fills holes of images of about `SIDE` pixels.
    """

    def __init__(self, inpaint: Inpaint):
        self.inpaint = inpaint

    def __call__(self, photo: Image.Image, mask: NDArray[np.bool_]) -> Image.Image:
        """Returns the photo with the mask (H, W), True in the hole, filled; what is known stays as it was."""
        small = shrunk(photo, SIDE)
        hole = Image.fromarray(mask).convert("L")
        small_hole = torch.from_numpy(np.asarray(hole.resize(small.size, Image.Resampling.BOX)) > 0)
        image = torch.from_numpy(np.array(small)).permute(2, 0, 1).unsqueeze(0) / 255
        with torch.no_grad():
            filled = self.inpaint(image, small_hole.to(image)[None, None])
        pixels = (filled[0] * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        patch = Image.fromarray(pixels).resize(photo.size, Image.Resampling.BICUBIC)
        return Image.composite(patch, photo, hole)
