"""The vision part of a model of transformers as an encoder.

B images, R regions, P prefix tokens, D features.
"""

from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.models.encoders.encoder import Encoder, Regions


class Tower(Encoder):
    """Pixels → the last hidden states of a vision model, through a projector where there is one.

    Args:
        vision: takes `pixel_values` and gives `last_hidden_state` (B, R, ·).
        preprocessing: of photos.
        projector: (…, ·) → (…, D), or None.
    """

    attends = True
    grid: tuple[int, int]

    def __init__(self, vision: nn.Module, preprocessing: Preprocessing, projector: nn.Module | None = None):
        super().__init__()
        self.vision, self.projector, self.preprocessing = vision, projector, preprocessing
        height, width = image_size(vision.config)
        with torch.no_grad():
            weight = next(vision.parameters())
            regions = self(torch.zeros(1, 3, height, width).to(weight)).values
        self.dim = regions.shape[2]
        self.grid = grid_of(regions.shape[1], height, width)
        self.prefix_tokens = regions.shape[1] - self.grid[0] * self.grid[1]

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions."""
        hidden = self.vision(pixel_values=images).last_hidden_state
        return Regions(hidden if self.projector is None else self.projector(hidden))


def image_size(config: Any) -> tuple[int, int]:
    """Height and width of the images that a vision model of this configuration sees."""
    size = config.image_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def grid_of(regions: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the largest grid of the images' shape that so many regions fill, a few of them left over."""
    rows = isqrt(regions * height // width)
    return rows, rows * width // height
