"""The contract of an image encoder.

B batch, R regions, D features.
"""

from typing import NamedTuple

from torch import Tensor, nn

from whysaid.data.images import Preprocessing


class Regions(NamedTuple):
    """Encoder output: values (B, R, D); mask (B, R) bool, True where a region is real, or None when all are."""

    values: Tensor
    mask: Tensor | None = None


class Encoder(nn.Module):
    """Pixels to regions. R and D come from here; nothing downstream hard-codes them.

    Attributes:
        dim: D, width of a region vector.
        grid: (rows, columns) of the region grid at the preprocessing's image size (R = rows · columns, row-major),
            or None when regions have no grid (bottom-up boxes).
        preprocessing: how a photo becomes the (3, H, W) tensor this encoder expects.
    """

    dim: int
    grid: tuple[int, int] | None
    preprocessing: Preprocessing

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions."""
        raise NotImplementedError
