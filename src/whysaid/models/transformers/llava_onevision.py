"""LLaVA-OneVision: Li et al. 2024.

B images, n tiles of each, g × g tokens of a tile, h × w tokens of all tiles, I tokens of an image, E embedding.
"""

from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from whysaid.data.pieces import PieceVocabulary
from whysaid.models.encoders.encoder import Regions
from whysaid.models.transformers.padded_tiles import PaddedTiles
from whysaid.models.transformers.tiles import TiledEncoder, cut, tiling
from whysaid.models.transformers.vision_language import VisionLanguage


class Layout(NamedTuple):
    """How the tokens of a mosaic lie: tiles, tokens that are left out on either side, and those that are kept.

    Attributes:
        rows, columns: of tiles; 0 rows of a photo that is not cut.
        above, before: tokens that are left out.
        kept: tokens of the canvas, (h, w).
        joined: as many as the model reads of these, which may be fewer.
    """

    rows: int
    columns: int
    above: int
    before: int
    kept: tuple[int, int]
    joined: tuple[int, int]


class AnyResolution(TiledEncoder):
    """A vision transformer over tiles, of which the whole photo is read first, and then line after line.

    Args:
        model: of transformers, without its head.
        preprocessing: of photos.
    """

    def __init__(self, model: Any, preprocessing: PaddedTiles):
        super().__init__()
        self.vision, self.projector, self.preprocessing = model.vision_tower, model.multi_modal_projector, preprocessing
        self.newline = model.image_newline
        self.config, self.most = model.config, int(model.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        self.side, self.cells_a_side = preprocessing.size, preprocessing.cells_a_side
        self.dim = model.config.text_config.hidden_size
        self.grid = self.grid_at(self.side, self.side)

    def layout(self, height: int, width: int) -> Layout:
        """How the tokens of a mosaic of these pixels lie."""
        rows, columns = tiling(height, width, self.side)
        cells = self.cells_a_side
        below, beside = self.grid_at(height, width)
        above, before = below - (rows + 1) * cells, beside - columns * cells
        tall, wide = kept = rows * cells - 2 * above, columns * cells - 2 * before
        ratio = sqrt(tall * wide / (self.most * cells**2))
        joined = (int(tall // ratio), int(wide // ratio)) if ratio > 1.1 else kept
        return Layout(rows, columns, above, before, kept, joined)

    def forward(self, images: Tensor) -> Regions:
        """Mosaics (B, 3, H, W) → Regions (B, I, E), the ends of lines among them."""
        layout, tiles = self.layout(images.shape[2], images.shape[3]), cut(images, self.side)
        shown = self._features(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2])
        whole = shown[:, -1]
        if not layout.rows:
            return Regions(torch.cat([whole, self.newline.expand(len(images), 1, -1)], 1))
        cells = (self.cells_a_side, self.cells_a_side)
        parts = shown[:, :-1].unflatten(2, cells).unflatten(1, (layout.rows, layout.columns))
        canvas = parts.permute(0, 5, 1, 3, 2, 4).flatten(2, 3).flatten(3, 4)  # (B, E, ·, ·)
        canvas = canvas[:, :, layout.above :, layout.before :][:, :, : layout.kept[0], : layout.kept[1]]
        if layout.joined != layout.kept:
            canvas = interpolate(canvas, layout.joined, mode="bilinear")
        ends = self.newline[:, None, None].expand(len(images), -1, layout.joined[0], 1)
        return Regions(torch.cat([whole, torch.cat([canvas, ends], 3).flatten(2).transpose(1, 2)], 1))

    def _features(self, tiles: Tensor) -> Tensor:
        layers = self.config.vision_feature_layer
        hidden = self.vision(pixel_values=tiles, output_hidden_states=True).hidden_states
        chosen = torch.cat([hidden[layer] for layer in ([layers] if isinstance(layers, int) else layers)], -1)
        features: Tensor = self.projector(chosen[:, self.config.vision_feature_select_strategy == "default" :])
        return features

    def on_grid(self, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        layout = self.layout(*(size or (self.side, self.side)))
        whole, parts = self._split(maps, layout)
        grid = maps.new_zeros(*maps.shape[:-1], *self.grid_at(*(size or (self.side, self.side))))
        top = layout.rows * self.cells_a_side
        grid[..., top : top + self.cells_a_side, : self.cells_a_side] = whole
        if layout.rows:
            spread = interpolate(parts.flatten(0, -3).unsqueeze(1), layout.kept, mode="bilinear")
            (tall, wide), shape = layout.kept, (*maps.shape[:-1], *layout.kept)
            grid[..., layout.above : layout.above + tall, layout.before : layout.before + wide] = spread.view(shape)
        return grid

    def off_grid(self, placed: Tensor, elsewhere: Tensor, size: tuple[int, int]) -> Tensor:
        layout, taken = self.layout(*size), elsewhere.clone()
        top, cells = layout.rows * self.cells_a_side, self.cells_a_side
        taken[..., : cells**2] = placed[..., top : top + cells, :cells].flatten(-2)
        if layout.rows:
            canvas = placed[..., layout.above :, layout.before :][..., : layout.kept[0], : layout.kept[1]]
            joined = interpolate(canvas.flatten(0, -3).unsqueeze(1), layout.joined, mode="bilinear", antialias=True)
            self._split(taken, layout)[1].copy_(joined.view(*elsewhere.shape[:-1], *layout.joined))
        return taken

    def _split(self, maps: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Views of maps (…, I): of the whole (…, g, g), and of the canvas (…, h, w) without the ends of its lines."""
        whole, parts = maps[..., : self.cells_a_side**2], maps[..., self.cells_a_side**2 :]
        lines = parts.unflatten(-1, (layout.joined[0], layout.joined[1] + 1))[..., :-1] if layout.rows else parts
        return whole.unflatten(-1, (self.cells_a_side, self.cells_a_side)), lines


class LlavaOnevision(VisionLanguage):
    """A SigLIP over tiles of a photo, and a Qwen2. The ends of lines are constants to every method.

    Args:
        pretrained: a `LlavaOnevisionForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    photos = PaddedTiles
    template = "<|im_start|>user {image}\n{words}<|im_end|><|im_start|>assistant\n"

    def __init__(self, pretrained: Any, preprocessing: PaddedTiles, vocabulary: PieceVocabulary):
        vision = pretrained.config.vision_config
        preprocessing = replace(preprocessing, cells_a_side=vision.image_size // vision.patch_size)
        encoder = AnyResolution(pretrained.model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.model.language_model, vocabulary)
