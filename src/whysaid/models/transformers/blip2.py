"""BLIP-2 that writes with a decoder alone, such as OPT: Li et al. 2023.

B images, N rows, Q queries, R regions, E embedding.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.models.captioner import rows
from whysaid.models.explainable import Reading
from whysaid.models.transformers.pretrained import ImageFeatures
from whysaid.models.transformers.queries import Queries
from whysaid.models.transformers.tower import Tower
from whysaid.models.transformers.vision_language import PromptFeatures, VisionLanguage


@dataclass
class QueryFeatures(PromptFeatures):
    """The queries' outputs as `regions` (B, Q, E), and what these looked at (B, Q, R), mean over layers and heads."""

    looked: Tensor | None = None


class Blip2(VisionLanguage):
    """A vision transformer, queries that look at it, and an OPT that reads their outputs and then a prompt.

    Attention of a word is what it gives to the queries times what these give to the regions.

    Args:
        pretrained: a `Blip2ForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    request = ""

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = Tower(pretrained.vision_model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.language_model.base_model, vocabulary)
        self.queries = Queries(pretrained)

    def dialogue(self, tokenizer: Any, words: str) -> list[int]:
        """The queries, the mark of a beginning, and the words, as its processor puts them."""
        ids: list[int] = tokenizer(words).input_ids
        return [self.pretrained.config.image_token_id, *(ids or [tokenizer.bos_token_id])]

    def asked(self, vocabulary: PieceVocabulary, prompt: str | None = None, question: str | None = None) -> "Blip2":
        """As published, a question stands between two words that say so."""
        return super().asked(vocabulary, prompt, f"Question: {question} Answer:" if question else None)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> QueryFeatures:
        outputs, looked = self.queries(regions)
        return QueryFeatures(outputs, looked=looked)

    def to_image(self, attention: Tensor, features: ImageFeatures) -> Tensor:
        assert isinstance(features, QueryFeatures) and features.looked is not None
        return super().to_image(attention, features) @ rows(features.looked, attention)

    def read_all(self, embedded: Tensor, features: PromptFeatures) -> Reading:  # type: ignore[override]
        return super().read_all(embedded, features)._replace(image_output=None)  # it says nothing at a region
