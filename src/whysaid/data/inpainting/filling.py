"""Ways to fill a hole without a trained network.

B batch, H, W pixels; pixels in [0, 1]; masks (B, 1, H, W), 1 = hole.
"""

import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic
from torch import Tensor
from torch.nn.functional import max_pool2d

RIM = 2
"""Pixels around a hole that count as its rim."""


def fill_with_mean(images: Tensor, masks: Tensor) -> Tensor:
    """Fills each hole with the mean colour of all that is known of its picture (B, 3, H, W)."""
    return _coloured(images, masks, 1 - masks)


def fill_with_rim(images: Tensor, masks: Tensor) -> Tensor:
    """Fills each hole with the mean colour of what is known within two pixels of it."""
    return _coloured(images, masks, max_pool2d(masks, 2 * RIM + 1, 1, RIM) * (1 - masks))


def fill_biharmonic(images: Tensor, masks: Tensor) -> Tensor:
    """Fills each hole by scikit-image's biharmonic equation: the smoothest surface through its rim."""
    filled = [
        inpaint_biharmonic(image.permute(1, 2, 0).double().numpy(), mask[0].bool().numpy(), channel_axis=-1)
        for image, mask in zip(images.cpu(), masks.cpu(), strict=True)
    ]
    return torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).to(images).clamp(0, 1)


def _coloured(images: Tensor, masks: Tensor, among: Tensor) -> Tensor:
    """The pictures with each hole in the mean colour of the pixels `among` (B, 1, H, W)."""
    colours = (images * among).sum((2, 3), keepdim=True) / among.sum((2, 3), keepdim=True).clamp(min=1)
    return images * (1 - masks) + colours * masks
