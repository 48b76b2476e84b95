"""Photos that a processor cuts into tiles, beside which a small version of the whole is read, as one tensor and back.

The tensor is a mosaic: rows × columns of tiles, S pixels each side, and the whole photo at the left of a row below
them. A photo that is not cut is the whole alone.

B images, n = rows · columns + 1 tiles, the whole last, g × g cells of a tile, I tokens of an image with marks between.
"""

from functools import lru_cache

import torch
from PIL import Image
from torch import Tensor

from whysaid.data.images import View
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.transformers.processing import ProcessorPreprocessing

MOST_TILES = 36
"""Tiles of a photo; published models have marks for 6 × 6 at most."""


class TiledPreprocessing(ProcessorPreprocessing):
    """Makes a mosaic of what a processor makes of a photo. A subclass supplies `tiles`."""

    @property
    def one_size(self) -> bool:
        return False

    def tiles(self, image: Image.Image) -> tuple[Tensor, int, int]:
        """Tiles (n, 3, S, S) of an RGB image, the whole last, and how many rows and columns they are of (0: none)."""
        raise NotImplementedError

    def __call__(self, image: Image.Image) -> Tensor:
        """An RGB image of any size → (3, (rows + 1) · S, columns · S) float32. Raises UserError for too many tiles."""
        tiles, rows, columns = self.tiles(image)
        if rows * columns > MOST_TILES:
            raise UserError(
                f"a photo of {image.width} × {image.height} pixels would be cut into {rows} × {columns} tiles, and "
                f"this model takes {MOST_TILES}: make it smaller or less narrow"
            )
        return mosaic(tiles, rows, columns)

    def views(self, width: int, height: int) -> tuple[View, ...]:
        """What each tile shows, and the whole photo once more."""
        if (width, height) not in self._views:
            shape = self(Image.new("RGB", (width, height))).shape
            rows, columns = tiling(shape[1], shape[2], self.size)
            self._views[width, height] = _views(rows, columns)
        return self._views[width, height]


def tiling(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of the tiles of a mosaic of these pixels; 0 rows of a photo that is not cut."""
    return height // side - 1, width // side


def _views(rows: int, columns: int) -> tuple[View, ...]:
    below = View(part=(0.0, rows / (rows + 1), 1 / columns, 1.0))
    end = rows / (rows + 1)
    return (View(part=(0.0, 0.0, 1.0, end)), below) if rows else (below,)


def mosaic(tiles: Tensor, rows: int, columns: int) -> Tensor:
    """Tiles (n, 3, S, S), the whole last, as (3, (rows + 1) · S, columns · S)."""
    if not rows:
        return tiles[-1]
    side = tiles.shape[-1]
    cut = tiles[:-1].unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4).flatten(1, 2).flatten(2, 3)
    below = tiles.new_zeros(len(cut), side, columns * side)
    below[:, :, :side] = tiles[-1]
    return torch.cat([cut, below], 1)


def cut(images: Tensor, side: int) -> Tensor:
    """Mosaics (B, 3, H, W) as tiles (B, n, 3, S, S), the whole last."""
    rows, columns = tiling(images.shape[2], images.shape[3], side)
    whole = images[:, None, :, rows * side : (rows + 1) * side, :side]
    if not rows:
        return whole
    parts = images[:, :, : rows * side, : columns * side].unflatten(2, (rows, side)).unflatten(4, (columns, side))
    return torch.cat([parts.permute(0, 2, 4, 1, 3, 5).flatten(1, 2), whole], 1)


class TiledEncoder(Encoder):
    """Tiles to the tokens of an image, of which marks have no place in it. A subclass supplies `cells`.

    Attributes:
        side: S.
        cells_a_side: g.
    """

    attends = True
    attends_between_regions = False
    side: int
    cells_a_side: int

    def cells(self, height: int, width: int) -> Tensor:
        """The cell (I,) of the grid of a mosaic of these pixels that each token shows, and −1 of a mark."""
        raise NotImplementedError

    def grid_at(self, height: int, width: int) -> tuple[int, int]:
        return round(height * self.cells_a_side / self.side), round(width * self.cells_a_side / self.side)

    def on_grid(self, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        size = size or (self.preprocessing.size, self.preprocessing.size)
        cells = self.cells(*size).to(maps.device)
        if len(cells) != maps.shape[-1]:
            return super().on_grid(maps, size)  # which says that they do not fit
        rows, columns = self.grid_at(*size)
        placed = maps.new_zeros(*maps.shape[:-1], rows * columns)
        return placed.index_add(-1, cells[cells >= 0], maps[..., cells >= 0]).unflatten(-1, (rows, columns))

    def off_grid(self, placed: Tensor, elsewhere: Tensor, size: tuple[int, int]) -> Tensor:
        cells = self.cells(*size).to(placed.device)
        return torch.where(cells >= 0, placed.flatten(-2)[..., cells.clamp(min=0)], elsewhere)


@lru_cache(maxsize=64)
def tile_cells(rows: int, columns: int, cells: int) -> Tensor:
    """The cell (n, cells²) of a mosaic's grid that each cell of each tile is, the whole last."""
    grid = torch.arange((rows + 1) * cells * max(columns, 1) * cells).view(1, 1, (rows + 1) * cells, -1)
    return cut(grid, cells)[0, :, 0].flatten(1)
