"""What a model must offer so that every attribution method can explain it: encode, embed, read, head.

B images, N rows of words (N a multiple of B), S words, T outputs, H width of an output, V scores, E embedding.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn

from whysaid.data.batch import Pictured
from whysaid.errors import DoesNotApplyError
from whysaid.models.attention_places import AttentionPlaces
from whysaid.models.encoders.encoder import Encoder, Regions


class Reading(NamedTuple):
    """What a model makes of words and an image before its last layer.

    output (N, T, H), one row per word (captioners: T = S) or one in all (VQA: T = 1); attention (N, T, R), over real
    regions; sentinel β (N, T), the share of attention that went to language, or None; parts, the summands (N, T, H) of
    a captioner's output that come from the context and from the hidden state; image_output (N, R, H), the outputs at
    the regions themselves, of a model that reads regions and words as one sequence and says words of both, or None.
    """

    output: Tensor
    attention: Tensor
    sentinel: Tensor | None
    parts: tuple[Tensor, ...] = ()
    image_output: Tensor | None = None


class Explainable(nn.Module):
    """`head(read(embed(tokens), project(*encoder(images))).output)` are the scores (N, T, V) of words or answers.

    Attributes:
        marked: whether relevance flows along `gate`, `share` and `tanh` of src/whysaid/models/relevance.py behind the
            encoder; otherwise LRP follows the functions that the model calls.
    """

    marked: bool = True

    encoder: Encoder
    embedding: nn.Embedding

    mean_regions: Tensor | None = None
    """(R, D), the mean of what the encoder gives of training pictures; None where nobody has computed it."""

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
        """What `encode` makes of a batch, from its pixels or from the encoder features that stand in for them."""
        return self.project(*self.regions(batch))

    def regions(self, batch: Pictured) -> Regions:
        """What the encoder makes of a batch's pixels, or the encoder features that stand in for them."""
        if batch.images is not None:
            regions: Regions = self.encoder(batch.images)
            return regions
        assert batch.regions is not None, "a batch holds images or regions"
        return Regions(batch.regions.to(self.embedding.weight.dtype), batch.mask)

    def read(self, embedded: Tensor, features: Any) -> Reading:
        """Embedded words (N, S, E) and what `project` gave of B images → Reading."""
        raise NotImplementedError

    def head(self, output: Tensor) -> Tensor:
        """Outputs (…, H) → scores (…, V)."""
        raise NotImplementedError

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        """Which tokens the attention maps are between that `project` and `read` make, in the order they are made.

        Args:
            number: of maps.
            regions: R.
            words: S.

        Raises:
            UserError: it is no transformer.
        """
        raise DoesNotApplyError(
            f"{type(self).__name__} is no transformer, whose attention leads from layer to layer: choose another "
            "attribution, such as attention"
        )


class VQAModel(Explainable):
    """Base of models that choose one answer to a question. Embedded words of zeros are not read: they are `<pad>`.

    Attributes:
        longest_question: tokens that a question may have; None: any number.
    """

    longest_question: int | None = None

    def forward(self, questions: Tensor, features: Any) -> Tensor:
        """Questions (N, S) int64, padded with `<pad>` → logits (N, V) of the answers."""
        return self.head(self.read(self.embed(questions), features).output).squeeze(1)
