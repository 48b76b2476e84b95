"""Models whose encoder reads a question or a request with the image, and whose decoder writes with an eye on both.

B images, N rows, P words of a question, S words read of an answer, E embedding, H width of an output, R regions,
D width of what the encoder gives, K what it gives of question and image.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, EncoderDecoderCache

from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.explainable import Reading
from whysaid.models.transformers.caches import cache_of, first_tokens, layers_of, shared_cache
from whysaid.models.transformers.cross_attention import mean_attention
from whysaid.models.transformers.pretrained import ImageFeatures, PretrainedCaptioner


@dataclass
class Asked:
    """A question that has looked at the image.

    Attributes:
        hidden: (N, K, D).
        real: (N, K) True where a word or a region stands, and not `<pad>`.
        attention: (N, P, R) of the question's words, mean over layers and heads.
    """

    hidden: Tensor
    real: Tensor
    attention: Tensor

    def repeated(self, like: Tensor) -> "Asked":
        """The same for the rows of `like`, image-major."""
        return Asked(rows(self.hidden, like), rows(self.real, like), rows(self.attention, like))


@dataclass
class QuestionFeatures(ImageFeatures):
    """What depends on the image and, once `start` has read it, on the question."""

    asked: Asked | None = None


class AskedCaptioner(PretrainedCaptioner):
    """The prompt is read by the encoder. A subclass supplies `ask`, `decode` and `scores`.

    Attributes:
        front: words at the head of the prompt that the decoder reads, and not the encoder.
        sees_image: whether the decoder looks at the image itself, and not at the question alone.
    """

    front: int = 0
    sees_image: bool = False

    def project(self, regions: Tensor, mask: Tensor | None = None) -> QuestionFeatures:
        return QuestionFeatures(regions)

    def ask(self, question: Tensor, regions: Tensor) -> Asked:
        """Runs the encoder on embedded words (N, P, E) and regions (N, R, ·)."""
        raise NotImplementedError

    def decode(self, embedded: Tensor, asked: Asked, cache: Any) -> tuple[Tensor, Tensor]:
        """Runs the decoder on embedded words (N, S, E): outputs (N, S, H) and attention (N, S, R)."""
        raise NotImplementedError

    def parts(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Words (N, ·, ·) that the encoder reads, and those that the decoder reads."""
        length = self.prompt.shape[1]
        return embedded[:, self.front : length], torch.cat([embedded[:, : self.front], embedded[:, length:]], 1)

    def start(self, features: QuestionFeatures) -> State:  # type: ignore[override]
        question, answer = self.parts(self.embed(self.before_words(len(features))))
        features.asked = self.ask(question, features.regions)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self.decode(answer, features.asked, cache)
        features.shared = layers_of(cache.cross_attention_cache)
        return first_tokens(layers_of(cache.self_attention_cache), self.front)

    def advance(self, word: Tensor, state: State, features: QuestionFeatures) -> CellOutput:  # type: ignore[override]
        assert features.shared is not None and features.asked is not None, "start() comes before the first step"
        cache = EncoderDecoderCache(cache_of(state), shared_cache(features.shared, None, len(word)))
        outputs, attention = self.decode(word.unsqueeze(1), features.asked.repeated(word), cache)
        seen, sentinel = attention[:, 0], self.sentinel(attention)
        state = layers_of(cache.self_attention_cache)
        return CellOutput(outputs[:, 0], seen, None if sentinel is None else sentinel[:, 0], state)

    def read_all(self, embedded: Tensor, features: ImageFeatures) -> Reading:
        """Of the question's words, which say nothing, outputs are 0."""
        question, answer = self.parts(embedded)
        asked = self.ask(question, rows(features.regions, embedded))
        outputs, attention = self.decode(answer, asked, None)
        first, outputs = outputs.split([self.front, outputs.shape[1] - self.front], 1)
        seen, attention = attention.split([self.front, attention.shape[1] - self.front], 1)
        attention = torch.cat([seen, asked.attention, attention], 1)
        outputs = torch.cat([first, pad(outputs, (0, 0, question.shape[1], 0))], 1)
        return Reading(outputs, attention, self.sentinel(attention))

    def sentinel(self, attention: Tensor) -> Tensor | None:
        """The share of attention (N, S, R) that goes to words, (N, S), of a decoder that looks at image and words."""
        return 1 - attention.sum(-1) if self.sees_image else None


class ReadTogether(AskedCaptioner):
    """The encoder reads the image's tokens and the question behind them as one sequence; the decoder attends to both.

    Attributes:
        reader: the encoder.
    """

    sees_image = True
    reader: Any

    def ask(self, question: Tensor, regions: Tensor) -> Asked:
        real = torch.cat([torch.ones_like(regions[..., 0], dtype=torch.bool), (question.detach() != 0).any(2)], 1)
        read = self.reader(
            inputs_embeds=torch.cat([regions, question], 1), attention_mask=real.long(), output_attentions=True
        )
        number = regions.shape[1]
        return Asked(read.last_hidden_state, real, mean_attention(read.attentions)[:, number:, :number])

    def decode(self, embedded: Tensor, asked: Asked, cache: Any) -> tuple[Tensor, Tensor]:
        decoded = self.decoder(
            inputs_embeds=embedded,
            encoder_hidden_states=asked.hidden,
            encoder_attention_mask=asked.real.long(),
            past_key_values=cache,
            use_cache=cache is not None,
            output_attentions=True,
        )
        attention = mean_attention(decoded.cross_attentions)
        return decoded.last_hidden_state, attention[..., : asked.attention.shape[2]]
