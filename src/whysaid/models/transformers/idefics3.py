"""Idefics3 and SmolVLM: Laurençon et al. 2024, Marafioti et al. 2025.

B images, n tiles of each, g × g tokens of a tile, I tokens of an image with marks between, E embedding.
"""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from whysaid.data.pieces import PieceVocabulary
from whysaid.models.encoders.encoder import Regions
from whysaid.models.transformers.tiles import TiledEncoder, TiledPreprocessing, cut, tile_cells, tiling
from whysaid.models.transformers.vision_language import VisionLanguage


class IdeficsPreprocessing(TiledPreprocessing):
    """What the processor of Idefics3 or SmolVLM makes of a photo."""

    def tiles(self, image: Image.Image) -> tuple[Tensor, int, int]:
        seen = self.processor(images=[[image]], return_row_col_info=True, return_tensors="pt")
        rows, columns = (int(seen[name][0][0]) for name in ("rows", "cols"))
        return seen["pixel_values"][0], rows, columns


class MarkedTiles(TiledEncoder):
    """A vision transformer of which several tokens are joined to one, and the marks that the text has between tiles.

    Args:
        model: of transformers, without its head.
        preprocessing: of photos.
        tokenizer: of the marks.
    """

    def __init__(self, model: Any, preprocessing: TiledPreprocessing, tokenizer: Any):
        super().__init__()
        self.vision, self.connector, self.preprocessing = model.vision_model, model.connector, preprocessing
        self._embedding, self._tokenizer = (model.text_model.get_input_embeddings(),), tokenizer
        self.image_token = model.config.image_token_id
        self.side, self.dim = preprocessing.size, model.config.text_config.hidden_size
        self.cells_a_side = self.side // model.config.vision_config.patch_size // model.config.scale_factor
        self.grid = self.grid_at(self.side, self.side)

    def ids(self, height: int, width: int) -> Tensor:
        """The ids (I,) of the text that a mosaic of these pixels stands for, as the model's own processor writes it."""
        rows, columns = tiling(height, width, self.side)
        image = self._tokenizer.convert_ids_to_tokens(self.image_token) * self.cells_a_side**2
        lines = [
            "".join(f"<fake_token_around_image><row_{row + 1}_col_{column + 1}>{image}" for column in range(columns))
            for row in range(rows)
        ]
        whole = f"<fake_token_around_image><global-img>{image}<fake_token_around_image>"
        text = "".join(f"{line}\n" for line in lines) + ("\n" if lines else "") + whole
        return torch.tensor(self._tokenizer(text, add_special_tokens=False).input_ids)

    def cells(self, height: int, width: int) -> Tensor:
        rows, columns = tiling(height, width, self.side)
        ids = self.ids(height, width)
        return torch.full_like(ids, -1).masked_scatter(
            ids == self.image_token, tile_cells(rows, columns, self.cells_a_side)
        )

    def forward(self, images: Tensor) -> Regions:
        """Mosaics (B, 3, H, W) → Regions (B, I, E), marks among them."""
        tiles = cut(images, self.side)
        shown = self.connector(self.vision(pixel_values=tiles.flatten(0, 1)).last_hidden_state)
        shown = shown.unflatten(0, tiles.shape[:2]).flatten(1, 2)
        ids = self.ids(images.shape[2], images.shape[3]).to(images.device)
        order = torch.full_like(ids, -1)
        order[ids == self.image_token] = torch.arange(shown.shape[1], device=ids.device)
        marks = self._embedding[0](ids).detach().expand(len(images), -1, -1)
        both = torch.cat([shown, marks], 1)
        places = torch.where(order >= 0, order, shown.shape[1] + torch.arange(len(ids), device=ids.device))
        return Regions(both[:, places])


class Idefics3(VisionLanguage):
    """A SigLIP over tiles of a photo, and a Llama. Marks between the tiles are constants to every method.

    Args:
        pretrained: an `Idefics3ForConditionalGeneration` or a `SmolVLMForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    photos = IdeficsPreprocessing
    template = "<|im_start|>User:{image}{words}<end_of_utterance>\nAssistant:"

    def __init__(self, pretrained: Any, preprocessing: TiledPreprocessing, vocabulary: PieceVocabulary):
        encoder = MarkedTiles(pretrained.model, preprocessing, vocabulary.tokenizer)
        super().__init__(pretrained, encoder, pretrained.model.text_model, vocabulary)
