"""How LLaVA-OneVision lays a photo on tiles.

n tiles, g × g tokens of a tile.
"""

from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_onevision.modeling_llava_onevision import unpad_image

from whysaid.data.images import View
from whysaid.models.transformers.processing import probe
from whysaid.models.transformers.tiles import TiledPreprocessing, tiling


@dataclass(frozen=True)
class PaddedTiles(TiledPreprocessing):
    """What the processor makes of a photo, which it lays in the middle of a canvas of whole tiles.

    Tokens of the canvas's edges are left out, as many on either side as an edge of zeros below or beside the mosaic is
    cells wide.

    Attributes:
        cells_a_side: g.
    """

    cells_a_side: int = field(default=1, kw_only=True)

    def tiles(self, image: Image.Image) -> tuple[Tensor, int, int]:
        seen = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        height, width = select_best_resolution((image.height, image.width), self.processor.image_grid_pinpoints)
        return seen.roll(-1, 0), height // self.size, width // self.size

    def __call__(self, image: Image.Image) -> Tensor:
        made = super().__call__(image)
        sides = [side * self.cells_a_side for side in tiling(made.shape[1], made.shape[2], self.size)]
        kept = unpad_image(torch.empty(1, *sides), (image.height, image.width)).shape[1:]
        below, beside = (
            (side - own) // 2 * self.size / self.cells_a_side for side, own in zip(sides, kept, strict=True)
        )
        return pad(made, (0, round(beside), 0, round(below)))

    def views(self, width: int, height: int) -> tuple[View, ...]:
        """What the canvas shows, and the whole photo once more."""
        if (width, height) not in self._views:
            seen = self(probe(width, height))
            rows, columns = (side * self.size for side in tiling(seen.shape[1], seen.shape[2], self.size))
            down, right = rows / seen.shape[1], columns / seen.shape[2]
            canvas = View(self.located(seen[:, :rows, :columns]).box, (0.0, 0.0, right, down))
            end = down + self.size / seen.shape[1], self.size / seen.shape[2]
            self._views[width, height] = (canvas, View(part=(0.0, down, end[1], end[0])))
        return self._views[width, height]
