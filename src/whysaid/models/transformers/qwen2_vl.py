"""Qwen2-VL and Qwen2.5-VL: Wang et al. 2024, Bai et al. 2025.

B images, N rows, R tokens of an image, each of several patches of p × p pixels, E embedding, L tokens read.
"""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.errors import UserError
from whysaid.models.captioner import rows
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.transformers.processing import ProcessorPreprocessing
from whysaid.models.transformers.vision_language import PromptFeatures, VisionLanguage


class PatchPreprocessing(ProcessorPreprocessing):
    """Puts the patches that the processor of Qwen2-VL cuts back together."""

    @property
    def one_size(self) -> bool:
        return False

    def __call__(self, image: Image.Image) -> Tensor:
        """An RGB image of any size → (3, h, w) float32. Raises UserError for one that is too narrow."""
        try:
            seen = self.processor(images=image, return_tensors="pt")
        except ValueError as error:
            raise UserError(f"a photo of {image.width} × {image.height} pixels cannot be read: {error}") from error
        merge, patch = self.processor.merge_size, self.processor.patch_size
        _, height, width = seen["image_grid_thw"][0].tolist()
        shape = height // merge, width // merge, merge, merge, 3, self.processor.temporal_patch_size, patch, patch
        patches: Tensor = seen["pixel_values"].view(shape)[:, :, :, :, :, 0]
        return patches.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, height * patch, width * patch)


class PatchTower(Encoder):
    """A vision transformer over patches of a photo of any shape, of which several are joined to one token.

    The last two features of a token are its row and its column.

    Args:
        model: of transformers, without its head.
        preprocessing: of photos.
    """

    attends = True
    attends_between_regions = False

    def __init__(self, model: Any, preprocessing: Preprocessing):
        super().__init__()
        self.vision, self.preprocessing = model.visual, preprocessing
        vision = model.config.vision_config
        self.patch, self.merge, self.frames = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
        self.dim = model.config.text_config.hidden_size + 2
        self.grid = self.grid_at(preprocessing.size, preprocessing.size)

    def grid_at(self, height: int, width: int) -> tuple[int, int]:
        return height // (self.patch * self.merge), width // (self.patch * self.merge)

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions (B, R, E + 2)."""
        number, (height, width) = len(images), self.grid_at(images.shape[2], images.shape[3])
        parts = images.reshape(number, 3, height, self.merge, self.patch, width, self.merge, self.patch)
        patches = parts.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6).expand(*[-1] * 6, self.frames, -1, -1)
        grids = torch.tensor([[1, height * self.merge, width * self.merge]] * number, device=images.device)
        tokens = self.vision(patches.flatten(0, 4).flatten(1), grid_thw=grids).pooler_output.unflatten(0, (number, -1))
        places = torch.cartesian_prod(*(torch.arange(side, device=images.device) for side in (height, width)))
        return Regions(torch.cat([tokens, places.view(1, -1, 2).expand(number, -1, -1).to(tokens)], 2))


@dataclass
class PlacedFeatures(PromptFeatures):
    """Features whose tokens have a place (B, R, 2), row and column."""

    places: Tensor | None = None


class Qwen2VL(VisionLanguage):
    """A vision transformer for photos of any shape, and a Qwen2 whose positions have rows and columns.

    Args:
        pretrained: a `Qwen2VLForConditionalGeneration` or a `Qwen2_5_VLForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    photos = PatchPreprocessing
    template = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>{image}"
        "<|vision_end|>{words}<|im_end|>\n<|im_start|>assistant\n"
    )

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = PatchTower(pretrained.model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.model.language_model, vocabulary)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> PlacedFeatures:
        return PlacedFeatures(regions[..., :-2], places=regions[..., -2:].detach().round().long())

    def positions(self, real: Tensor, features: PlacedFeatures) -> Tensor:
        """(3, N, L): moments, rows and columns; text goes on behind the image's longer side."""
        assert features.places is not None
        counted, places = super().positions(real, features), rows(features.places, real)
        start, end = self.before, self.before + places.shape[1]
        span = places.amax((1, 2)).unsqueeze(1) + 1
        image = torch.stack([torch.zeros_like(places[..., 0]), places[..., 0], places[..., 1]]) + self.before
        text = counted[:, end:] - places.shape[1] + span
        return torch.cat([counted[:, :start].expand(3, -1, -1), image, text.expand(3, -1, -1)], 2)
