"""Captioners whose one decoder reads the image's tokens and then the words.

B images, N rows, S words read, E embedding, H width of an output, R regions, D encoder features.
"""

from typing import Any

from torch import Tensor

from whysaid.models.attention_places import AttentionPlaces, of_prefix
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.explainable import Reading
from whysaid.models.transformers.caches import layers_of, shared_cache
from whysaid.models.transformers.cross_attention import mean_attention
from whysaid.models.transformers.pretrained import ImageFeatures, PretrainedCaptioner


class PrefixCaptioner(PretrainedCaptioner):
    """The image's tokens come first and do not see the words. A subclass supplies `read_image`, `decode` and `scores`.

    The state is the keys and values of the words; those of the image's tokens are kept once an image. Attention is what
    a word gives to the image's tokens, the mean over layers and heads; the rest goes to words, and is the sentinel. An
    output has one part, which is all of it.
    """

    def read_image(self, regions: Tensor) -> tuple[Tensor, Any]:
        """Runs the decoder on the image's tokens (N, R, D) alone: outputs (N, R, H), and its cache."""
        raise NotImplementedError

    def decode(self, embedded: Tensor, cache: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Runs the decoder on words.

        Args:
            embedded: (N, S, E), which may be changed in place.
            cache: of the image's tokens and all words before, which grows.

        Returns:
            Outputs (N, S, H), and the attention (N, h, S, R + ·) of each layer.
        """
        raise NotImplementedError

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_prefix(number, regions, words)

    def start(self, features: ImageFeatures) -> State:
        features.shared = layers_of(self.read_image(features.regions)[1])
        cache = shared_cache(features.shared, None, len(features))
        if self.prompt.shape[1]:
            self.decode(self.embed(self.prompt.expand(len(features), -1)), cache)
        return layers_of(cache)

    def advance(self, word: Tensor, state: State, features: ImageFeatures) -> CellOutput:
        assert features.shared is not None, "start() comes before the first step"
        cache = shared_cache(features.shared, state, len(word))
        outputs, layers = self.decode(word.unsqueeze(1).clone(), cache)
        attention = mean_attention(layers)[:, 0, : features.regions.shape[1]]
        return CellOutput(outputs[:, 0], attention, 1 - attention.sum(-1), layers_of(cache), (outputs[:, 0],))

    def read_all(self, embedded: Tensor, features: ImageFeatures) -> Reading:
        of_image, cache = self.read_image(rows(features.regions, embedded))
        outputs, layers = self.decode(embedded, cache)
        attention = mean_attention(layers)[..., : features.regions.shape[1]]
        return Reading(outputs, attention, 1 - attention.sum(-1), (outputs,), of_image)
