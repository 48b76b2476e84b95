"""Captioners whose decoder looks at the image by cross-attention.

B images, N rows, S words read, E embedding, H width of an output, R regions, D encoder features.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from whysaid.models.attention_places import AttentionPlaces, of_cross_attention
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.explainable import Reading
from whysaid.models.transformers.caches import cache_of, first_tokens, layers_of, shared_cache
from whysaid.models.transformers.pretrained import ImageFeatures, PretrainedCaptioner


class CrossAttentionCaptioner(PretrainedCaptioner):
    """A subclass supplies `decode` and `scores`.

    The state is the keys and values of the words; those of the regions are kept once an image. Attention is the mean
    over layers and heads. An output has one part, which is all of it.
    """

    def decode(self, embedded: Tensor, regions: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        """Runs the decoder.

        Args:
            embedded: (N, S, E), which may be changed in place.
            regions: (N, R, D).
            cache: of all words before, which grows; or None.

        Returns:
            Outputs (N, S, H), and attention (N, S, R).
        """
        raise NotImplementedError

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_cross_attention(number, regions, words)

    def start(self, features: ImageFeatures) -> State:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        embedded = self.embed(self.before_words(len(features)))
        self.decode(embedded, features.regions, cache)
        features.shared = layers_of(cache.cross_attention_cache)
        return first_tokens(layers_of(cache.self_attention_cache), self.prompt.shape[1])

    def advance(self, word: Tensor, state: State, features: ImageFeatures) -> CellOutput:
        assert features.shared is not None, "start() comes before the first step"
        cache = EncoderDecoderCache(cache_of(state), shared_cache(features.shared, None, len(word)))
        regions = features.regions[:1].expand(len(word), -1, -1)  # of which the cache holds all that is asked for
        outputs, attention = self.decode(word.unsqueeze(1).clone(), regions, cache)
        output = outputs[:, 0]
        return CellOutput(output, attention[:, 0], None, layers_of(cache.self_attention_cache), (output,))

    def read_all(self, embedded: Tensor, features: ImageFeatures) -> Reading:
        outputs, attention = self.decode(embedded, rows(features.regions, embedded), None)
        return Reading(outputs, attention, None, (outputs,))


def mean_attention(layers: tuple[Tensor, ...]) -> Tensor:
    """The mean (N, S, ·) over layers and heads of attention (N, h, S, ·) of each layer."""
    return torch.stack([layer.mean(1) for layer in layers]).mean(0)
