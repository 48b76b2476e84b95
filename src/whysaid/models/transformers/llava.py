"""LLaVA: Liu et al. 2023."""

from typing import Any

import torch
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.models.encoders.encoder import Regions
from whysaid.models.transformers.tower import Tower
from whysaid.models.transformers.vision_language import VisionLanguage


class HiddenTower(Tower):
    """A vision model of which one hidden layer, or several side by side, is read; without its class token.

    Args:
        model: that holds it, and a projector.
        preprocessing: of photos.
    """

    attends_between_regions = False  # the class token, which took part, is left out

    def __init__(self, model: Any, preprocessing: Preprocessing):
        self._model = (model,)
        super().__init__(model.vision_tower, preprocessing, model.multi_modal_projector)

    def forward(self, images: Tensor) -> Regions:
        return Regions(torch.stack(list(self._model[0].get_image_features(images).pooler_output)))


class Llava(VisionLanguage):
    """A vision transformer of CLIP, a projector, and a Llama.

    Args:
        pretrained: a `LlavaForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    template = "USER: {image}\n{words} ASSISTANT:"

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = HiddenTower(pretrained.model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.model.language_model, vocabulary)
