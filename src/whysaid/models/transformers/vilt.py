"""ViLT as a model that chooses answers: Kim et al. 2021.

B images, N questions, image-major, S words, R regions, the class token first, D features, h × w patches, V answers.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import PAD
from whysaid.models.attention_places import AttentionPlaces, of_words_and_regions
from whysaid.models.captioner import rows
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.explainable import Reading, VQAModel
from whysaid.models.transformers.cross_attention import mean_attention
from whysaid.models.transformers.own_tokens import Tokens
from whysaid.models.transformers.processing import ProcessorPreprocessing
from whysaid.models.transformers.special_tokens import reading_tokens


class Patches(Encoder):
    """The linear map of each patch and its position; images may have any sides that the patches divide.

    Args:
        embeddings: a `ViltEmbeddings`.
        preprocessing: of photos.
    """

    attends = True
    prefix_tokens = 1

    def __init__(self, embeddings: Any, preprocessing: Preprocessing):
        super().__init__()
        self.projection, self.dropout = embeddings.patch_embeddings, embeddings.dropout
        self.class_token, self.positions = embeddings.cls_token, embeddings.position_embeddings
        self.preprocessing, self.dim = preprocessing, embeddings.config.hidden_size
        self.patch = embeddings.config.patch_size
        self.grid = self.grid_at(preprocessing.size, preprocessing.size)

    def grid_at(self, height: int, width: int) -> tuple[int, int]:
        return height // self.patch, width // self.patch

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions."""
        patches = self.projection(images)
        side = round((self.positions.shape[1] - 1) ** 0.5)
        places = self.positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        places = interpolate(places, patches.shape[-2:], mode="bilinear", align_corners=True)
        placed = (patches + places).flatten(2).transpose(1, 2)
        first = (self.class_token + self.positions[:, :1]).expand(len(images), -1, -1)
        return Regions(self.dropout(torch.cat([first, placed], 1)))


@dataclass
class Sight:
    """All that depends on the image alone: regions (B, R, D)."""

    regions: Tensor

    def __len__(self) -> int:
        return len(self.regions)


class Vilt(VQAModel):
    """One transformer over the words of a question and the patches of an image, and a classifier of its first token.

    Attention is what that token gives to the patches, the mean over layers and heads; the rest is the sentinel.

    Args:
        pretrained: a `ViltForQuestionAnswering`.
        preprocessing: of its photos.
        vocabulary: of its questions' tokens.
    """

    marked = False
    photos = ProcessorPreprocessing
    token_ids: Tensor

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: Tokens):
        super().__init__()
        self.encoder = Patches(pretrained.vilt.embeddings, preprocessing)
        self.vilt, self.classifier = pretrained.vilt, pretrained.classifier
        self._pretrained = (pretrained,)
        self.longest_question = pretrained.config.max_position_embeddings
        self.register_buffer("token_ids", torch.tensor(vocabulary.ids), persistent=False)

    @staticmethod
    def vocabulary_of(pretrained: Any, tokenizer: Any) -> PieceVocabulary:
        """The vocabulary of its questions."""
        return PieceVocabulary(tokenizer, pretrained.config.vocab_size, reading_tokens(tokenizer))

    @staticmethod
    def labels_of(config: Any) -> tuple[str, ...]:
        """The answers, in the order of the classifier's outputs."""
        return tuple(str(config.id2label[i]) for i in range(config.num_labels))

    @property
    def pretrained(self) -> Any:
        """The model of transformers."""
        return self._pretrained[0]

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """Of the model's own tokens."""
        embedding: nn.Embedding = self.vilt.get_input_embeddings()
        return embedding

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (…) int64 → embedded words (…, E); `<pad>` is 0."""
        return self.embedding(self.token_ids[tokens]) * (tokens != PAD).unsqueeze(-1)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Sight:
        return Sight(regions)

    def read(self, embedded: Tensor, features: Sight) -> Reading:
        """Embedded questions (N, S, E) → one output (N, 1, H)."""
        regions = rows(features.regions, embedded)
        read = self.vilt(
            inputs_embeds=embedded.clone(),  # positions are added in place
            attention_mask=(embedded.detach() != 0).any(2).long(),
            image_embeds=regions,
            pixel_mask=torch.ones(regions.shape[:2], dtype=torch.int64, device=regions.device),
            output_attentions=True,
        )
        attention = mean_attention(read.attentions)[:, :1, embedded.shape[1] :]
        return Reading(read.pooler_output.unsqueeze(1), attention, 1 - attention.sum(-1))

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_words_and_regions(number, regions, words)

    def head(self, output: Tensor) -> Tensor:
        logits: Tensor = self.classifier(output)
        return logits
