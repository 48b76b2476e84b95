"""GIT as a captioner: Wang et al. 2022."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.models.transformers.prefix import PrefixCaptioner
from whysaid.models.transformers.tower import Tower


class Git(PrefixCaptioner):
    """A vision transformer of CLIP, and one transformer over its tokens and the words.

    Args:
        pretrained: a `GitForCausalLM`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        git = pretrained.git
        encoder = Tower(git.image_encoder, preprocessing, git.visual_projection)
        super().__init__(pretrained, encoder, pretrained, vocabulary)
        self.longest = pretrained.config.max_position_embeddings
        self.image_tokens = encoder.prefix_tokens + encoder.grid[0] * encoder.grid[1]

    def read_image(self, regions: Tensor) -> tuple[Tensor, Any]:
        cache = DynamicCache()
        return self.decoder.git.encoder(regions, None, past_key_values=cache).last_hidden_state, cache

    def decode(self, embedded: Tensor, cache: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        before = cache.get_seq_length() - self.image_tokens  # positions count words alone
        places = torch.arange(before, before + embedded.shape[1], device=embedded.device)
        decoded = self.decoder.git(
            inputs_embeds=embedded,
            position_ids=places.expand(len(embedded), -1),
            past_key_values=cache,
            use_cache=True,
            output_attentions=True,
        )
        return decoded.last_hidden_state, decoded.attentions

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.last_layer(output)
        return logits

    @property
    def last_layer(self) -> nn.Linear:
        layer: nn.Linear = self.decoder.output
        return layer
