"""BLIP-2 that writes with an encoder and a decoder, such as T5: Li et al. 2023.

B images, N rows, Q queries, R regions.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import START
from whysaid.errors import DoesNotApplyError
from whysaid.models.attention_places import AttentionPlaces
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.explainable import Reading
from whysaid.models.transformers.asked import QuestionFeatures, ReadTogether
from whysaid.models.transformers.dialogue import require_one
from whysaid.models.transformers.queries import Queries
from whysaid.models.transformers.tower import Tower


@dataclass
class AskedQueries(QuestionFeatures):
    """The queries' outputs as `regions` (B, Q, E), and what these looked at (B, Q, R)."""

    looked: Tensor | None = None

    def to_image(self, attention: Tensor) -> Tensor:
        """What attention (N, ·, Q) goes to the image's regions (N, ·, R)."""
        assert self.looked is not None
        return attention @ rows(self.looked, attention)


class Blip2T5(ReadTogether):
    """A vision transformer, queries that look at it, and a T5 whose encoder reads their outputs and then a prompt.

    Attention of a word is what it gives to the queries times what these give to the regions; the rest is the sentinel.

    Args:
        pretrained: a `Blip2ForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    options = ("caption", "answer", "prompt", "question")

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        language = pretrained.language_model
        super().__init__(pretrained, Tower(pretrained.vision_model, preprocessing), language.decoder, vocabulary)
        self.reader, self.vocabulary_head = language.encoder, language.lm_head
        self.scale = language.config.d_model**-0.5 if language.config.scale_decoder_outputs else 1.0
        self.queries = Queries(pretrained)

    def asked(  # type: ignore[override]
        self, vocabulary: PieceVocabulary, prompt: str | None = None, question: str | None = None
    ) -> Self:
        """As published, a question stands between two words that say so.

        Raises:
            UserError: there is a prompt too.
        """
        require_one(prompt, question)
        read = vocabulary.pieces(f"Question: {question} Answer:" if question else prompt or "", marked=True)
        return self.with_prompt(torch.tensor([[vocabulary.begin if i == START else i for i in read]]))

    def project(self, regions: Tensor, mask: Tensor | None = None) -> AskedQueries:
        outputs, looked = self.queries(regions)
        return AskedQueries(outputs, looked=looked)

    def advance(self, word: Tensor, state: State, features: AskedQueries) -> CellOutput:  # type: ignore[override]
        cell = super().advance(word, state, features)
        return cell._replace(attention=features.to_image(cell.attention.unsqueeze(1))[:, 0])

    def read_all(self, embedded: Tensor, features: AskedQueries) -> Reading:  # type: ignore[override]
        reading = super().read_all(embedded, features)
        return reading._replace(attention=features.to_image(reading.attention))

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        raise DoesNotApplyError(
            f"words of a {type(self).__name__} look at queries, which are neither regions nor words: choose another "
            "attribution than one that follows attention"
        )

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.vocabulary_head(self.scale * output)
        return logits
