"""Vision-language models: a decoder that reads a prompt with an image in it, and writes on.

B images, N rows, P words of a prompt, A of them before the image, S words read, R tokens of the image, L = P + R,
E embedding, H width of an output, h heads.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import DynamicCache

from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import PAD, START
from whysaid.errors import UserError
from whysaid.models.attention_places import AttentionPlaces, of_words_around_regions
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Reading
from whysaid.models.transformers.caches import first_tokens, layers_of, shared_cache
from whysaid.models.transformers.cross_attention import mean_attention
from whysaid.models.transformers.dialogue import dialogue, require_one
from whysaid.models.transformers.pretrained import ImageFeatures, PretrainedCaptioner


@dataclass
class PromptFeatures(ImageFeatures):
    """What depends on the image and, once `start` has read it, on the prompt.

    Attributes:
        real: (B, L) True where a word or the image stands, and not `<pad>`.
    """

    real: Tensor | None = None


class VisionLanguage(PretrainedCaptioner):
    """The image's tokens stand in the prompt, and take the place of one token of its text.

    The state is the keys and values of the words that were written; those of prompt and image are kept once an image.
    Attention is what a word gives to the image's tokens, the mean over layers and heads; the rest is the sentinel.

    Args:
        pretrained: a model of transformers with a head, and a `model` with a language model in it.
        encoder: gives the image's tokens as the language model reads them.
        decoder: the language model.
        vocabulary: its tokens.

    Attributes:
        template: of a dialogue, for tokenizers that have none.
        request: what the model is told where the user says nothing.
        sees_prompt_whole: whether the prompt's words look at those behind them too.
        before: A.
    """

    options = ("caption", "answer", "prompt", "question")
    template: ClassVar[str] = "{image}\n{words}\n"
    request: ClassVar[str] = "Describe the image."
    sees_prompt_whole: ClassVar[bool] = False
    before: int = 0

    def __init__(self, pretrained: Any, encoder: Encoder, decoder: Any, vocabulary: PieceVocabulary):
        super().__init__(pretrained, encoder, decoder, vocabulary)
        self.vocabulary_head = pretrained.get_output_embeddings()
        text = pretrained.config.get_text_config(decoder=True)
        self.longest = text.max_position_embeddings

    def asked(  # type: ignore[override]
        self, vocabulary: PieceVocabulary, prompt: str | None = None, question: str | None = None
    ) -> Self:
        """The same model, told something of an image, or asked. Raises UserError where it is both."""
        require_one(prompt, question)
        ids = self.dialogue(vocabulary.tokenizer, prompt or question or self.request)
        image = self.pretrained.config.image_token_id
        if ids.count(image) != 1:
            raise UserError(
                f"the model's template of a dialogue has {ids.count(image)} places for an image, and needs one: save "
                "its processor anew"
            )
        place = ids.index(image)
        # the model's own start has another index while the prompt's last word stands for <start>
        read = [vocabulary.begin if i == START else i for i in (vocabulary.own[i] for i in ids if i != image)]
        asked = self.begun_with(torch.tensor(read))
        asked.before = place
        return asked

    def dialogue(self, tokenizer: Any, words: str) -> list[int]:
        """The model's ids of a prompt with one token for the image in it."""
        image = tokenizer.convert_ids_to_tokens(self.pretrained.config.image_token_id)
        return dialogue(tokenizer, words, image, self.template)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> PromptFeatures:
        return PromptFeatures(regions)

    def read_of_image(self, features: Any) -> int:
        number: int = features.regions.shape[1]
        return number

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_words_around_regions(number, regions, words, self.before)

    def positions(self, real: Tensor, features: Any) -> Tensor:
        """Positions (…, N, ·) of the tokens of prompt, image and words; `<pad>` has none of its own."""
        return (real.long().cumsum(1) - 1).clamp(min=0)

    def sequence(self, embedded: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Words (N, S, E) with the image's tokens (N, R, E) among them, and which of all (N, S + R) are no `<pad>`."""
        parts = [embedded[:, : self.before], regions, embedded[:, self.before :]]
        real = torch.ones(len(embedded), embedded.shape[1], dtype=torch.bool, device=embedded.device)
        length = self.prompt.shape[1]
        real[:, :length] = rows(self.prompt != PAD, embedded)
        shown = real.new_ones(regions.shape[:2])
        return torch.cat(parts, 1), torch.cat([real[:, : self.before], shown, real[:, self.before :]], 1)

    def mask(self, real: Tensor, features: Any, like: Tensor) -> Tensor:
        """What the last tokens (N, n, E) may not look at, to be added to scores: (N, 1, n, ·)."""
        length = real.shape[1]
        visible = torch.ones(length, length, dtype=torch.bool, device=real.device).tril()
        if self.sees_prompt_whole:
            prefix = features.regions.shape[1] + self.prompt.shape[1] + 1
            visible[:prefix, :prefix] = True
        own = torch.eye(length, dtype=torch.bool, device=real.device)  # even padding sees something
        hidden = ~((visible & real[:, None]) | own)[:, None, length - like.shape[1] :]
        return like.new_zeros(hidden.shape).masked_fill(hidden, torch.finfo(like.dtype).min)

    def decode(self, sequence: Tensor, real: Tensor, features: Any, cache: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Runs the language model on the last tokens of a sequence.

        Args:
            sequence: (N, n, E).
            real: (N, ·) of all tokens up to the last of these.
            features: of the image.
            cache: of all tokens before, which grows; or None.

        Returns:
            Outputs (N, n, H), and the attention (N, h, n, ·) of each layer.
        """
        number = sequence.shape[1]
        decoded = self.decoder(
            inputs_embeds=sequence,
            attention_mask=self.mask(real, features, sequence),
            position_ids=self.positions(real, features)[..., -number:],
            past_key_values=cache,
            use_cache=cache is not None,
            output_attentions=True,
        )
        return decoded.last_hidden_state, decoded.attentions

    def start(self, features: PromptFeatures) -> State:  # type: ignore[override]
        embedded = self.embed(self.before_words(len(features)))
        sequence, real = self.sequence(embedded, features.regions)
        cache = DynamicCache()
        self.decode(sequence, real, features, cache)
        features.real, features.shared = real[:, :-1], first_tokens(layers_of(cache), sequence.shape[1] - 1)
        return first_tokens(features.shared, 0)

    def advance(self, word: Tensor, state: State, features: PromptFeatures) -> CellOutput:  # type: ignore[override]
        assert features.shared is not None and features.real is not None, "start() comes before the first step"
        cache = shared_cache(features.shared, state, len(word))
        written = features.real.new_ones(len(word), state[0][0].shape[2] + 1)
        real = torch.cat([rows(features.real, word), written], 1)
        outputs, layers = self.decode(word.unsqueeze(1), real, features, cache)
        attention = self.to_image(mean_attention(layers), features)[:, 0]
        return CellOutput(outputs[:, 0], attention, 1 - attention.sum(-1), layers_of(cache))

    def read_all(self, embedded: Tensor, features: PromptFeatures) -> Reading:  # type: ignore[override]
        sequence, real = self.sequence(embedded, rows(features.regions, embedded))
        outputs, layers = self.decode(sequence, real, features, None)
        start, end = self.before, self.before + features.regions.shape[1]
        attention = self.to_image(mean_attention(layers), features)
        outputs_of_words, attention = (torch.cat([x[:, :start], x[:, end:]], 1) for x in (outputs, attention))
        return Reading(outputs_of_words, attention, 1 - attention.sum(-1), image_output=outputs[:, start:end])

    def to_image(self, attention: Tensor, features: ImageFeatures) -> Tensor:
        """What attention (N, ·, L + ·) goes to the image's tokens (N, ·, R)."""
        return attention[..., self.before : self.before + features.regions.shape[1]]

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.vocabulary_head(output)
        return logits
