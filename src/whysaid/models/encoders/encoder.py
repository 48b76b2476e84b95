"""The contract of an image encoder.

B batch, R regions, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.errors import DoesNotApplyError, UserError


class Regions(NamedTuple):
    """Encoder output: values (B, R, D); mask (B, R) bool, True where a region is real, or None when all are."""

    values: Tensor
    mask: Tensor | None = None


class Encoder(nn.Module):
    """Pixels to regions. R and D come from here; nothing downstream hard-codes them.

    Attributes:
        dim: D, width of a region vector.
        grid: (rows, columns) of the region grid at the preprocessing's image size, row-major, or None when regions
            have no grid (bottom-up boxes).
        prefix_tokens: P, regions in front of the grid's that have no place in the image, such as a vision transformer's
            class token: R = P + rows · columns.
        attends: whether it is a transformer, for which LRP has rules of their own.
        attends_between_regions: whether its attention maps are between its regions; otherwise methods that follow
            attention begin behind it.
        preprocessing: how a photo becomes the (3, H, W) tensor this encoder expects.
    """

    dim: int
    grid: tuple[int, int] | None
    prefix_tokens: int = 0
    attends: bool = False
    attends_between_regions: bool = True
    preprocessing: Preprocessing

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions."""
        raise NotImplementedError

    def grid_at(self, height: int, width: int) -> tuple[int, int] | None:
        """(rows, columns) of the grid of images (B, 3, height, width); an encoder of one image size has one grid."""
        return self.grid

    def on_grid(self, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Lays maps (…, R) of regions on their grid: (…, rows, columns).

        Args:
            maps: of each region.
            size: height and width of the images; None: the preprocessing's.

        Raises:
            UserError: regions have no grid, or are not as many as it has places.
        """
        grid = self.grid if size is None else self.grid_at(*size)
        placed = maps[..., self.prefix_tokens :]
        if grid is None or grid[0] * grid[1] != placed.shape[-1]:
            fault = "have no grid"
            if grid is not None:
                fault = f"are {placed.shape[-1]} and not the {grid[0]} × {grid[1]} of its grid"
            raise (UserError if grid else DoesNotApplyError)(
                f"regions of {type(self).__name__} {fault}, so there is no map of the pixels: choose another "
                "attribution, or images of the encoder's own size"
            )
        return placed.unflatten(-1, grid)

    def off_grid(self, placed: Tensor, elsewhere: Tensor, size: tuple[int, int]) -> Tensor:
        """Takes maps (…, rows, columns) off the grid: (…, R).

        Args:
            placed: on the grid.
            elsewhere: (…, R), what regions without a place have.
            size: height and width of the images.
        """
        return torch.cat([elsewhere[..., : self.prefix_tokens], placed.flatten(-2)], -1)
