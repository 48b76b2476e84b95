"""What a model must offer so that every attribution method can explain it: encode, embed, read, head.

B images, N rows of words (N a multiple of B), S words, T outputs, H width of an output, V scores, E embedding.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn

from whysaid.data.batch import Pictured
from whysaid.models.encoders.encoder import Encoder


class Reading(NamedTuple):
    """What a model makes of words and an image before its last layer.

    output (N, T, H), one row per word (captioners: T = S) or one in all (VQA: T = 1); attention (N, T, R), over real
    regions; sentinel β (N, T), the share of attention that went to language, or None; parts, the summands (N, T, H) of
    a captioner's output that come from the context and from the hidden state.
    """

    output: Tensor
    attention: Tensor
    sentinel: Tensor | None
    parts: tuple[Tensor, ...] = ()


class Explainable(nn.Module):
    """`head(read(embed(tokens), project(*encoder(images))).output)` are the scores (N, T, V) of words or answers.

    Relevance flows along `gate`, `share` and `tanh` of src/whysaid/models/relevance.py.
    """

    encoder: Encoder
    embedding: nn.Embedding

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (…) int64 → embedded words (…, E)."""
        embedded: Tensor = self.embedding(tokens)
        return embedded

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Any:
        """Encoder regions (B, R, D) and mask (B, R) → all that depends on the image alone."""
        raise NotImplementedError

    def encode(self, images: Tensor) -> Any:
        """Images (B, 3, H, W) → what `project` makes of them."""
        return self.project(*self.encoder(images))

    def features(self, batch: Pictured) -> Any:
        """The same of a batch, from its pixels or from the encoder features that stand in for them."""
        if batch.images is not None:
            return self.encode(batch.images)
        assert batch.regions is not None, "a batch holds images or regions"
        return self.project(batch.regions.to(self.embedding.weight.dtype), batch.mask)

    def read(self, embedded: Tensor, features: Any) -> Reading:
        """Embedded words (N, S, E) and what `project` gave of B images → Reading."""
        raise NotImplementedError

    def head(self, output: Tensor) -> Tensor:
        """Outputs (…, H) → scores (…, V)."""
        raise NotImplementedError
