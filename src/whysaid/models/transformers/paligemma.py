"""PaliGemma and PaliGemma 2: Beyer et al. 2024, Steiner et al. 2024."""

from typing import Any

import torch
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.models.transformers.tower import Tower
from whysaid.models.transformers.vision_language import VisionLanguage


class PaliGemma(VisionLanguage):
    """A SigLIP, a linear map, and a Gemma, whose prompt sees all of itself; it is told a task, such as `caption en`.

    Args:
        pretrained: a `PaliGemmaForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    request = "caption en"
    sees_prompt_whole = True

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = Tower(pretrained.model.vision_tower, preprocessing, pretrained.model.multi_modal_projector)
        super().__init__(pretrained, encoder, pretrained.model.language_model, vocabulary)
        self.softcap = getattr(pretrained.config.get_text_config(), "final_logit_softcapping", None)

    def dialogue(self, tokenizer: Any, words: str) -> list[int]:
        """The image, the mark of a beginning, and the task in a line of its own, as its processor writes them."""
        text = f"{tokenizer.bos_token}{words}\n"
        ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return [self.pretrained.config.image_token_id, *ids]

    def positions(self, real: Tensor, features: Any) -> Tensor:
        """Counted from 1."""
        return super().positions(real, features) + 1

    def scores(self, output: Tensor) -> Tensor:
        logits = super().scores(output)
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap
