"""BLIP as a model that writes answers: Li et al. 2022.

B images, N rows, P words of a question, S words read of an answer, E embedding, H width of an output, R regions,
D encoder features.
"""

from contextlib import nullcontext
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.attention_places import AttentionPlaces, of_question_and_answer
from whysaid.models.transformers.asked import Asked, AskedCaptioner
from whysaid.models.transformers.blip import Blip
from whysaid.models.transformers.cross_attention import mean_attention
from whysaid.models.transformers.tower import Tower


class QuestionMask(TorchFunctionMode):
    """Lets a decoder's cross-attention pass over `<pad>`: transformers (5.23) loses the mask that it is given for this.

    Every second softmax of the decoder is of the cross-attention.

    Args:
        real: (N, P) True where a word stands.
        dtype: of the scores.
    """

    def __init__(self, real: Tensor, dtype: torch.dtype):
        super().__init__()
        least = torch.finfo(dtype).min
        self.bias = torch.zeros(real.shape, dtype=dtype, device=real.device).masked_fill(~real, least)[:, None, None]
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.softmax:
            self.calls += 1
            if self.calls % 2 == 0:
                args = (args[0] + self.bias, *args[1:])
        return func(*args, **(kwargs or {}))


class BlipVQA(AskedCaptioner):
    """The question, which is the prompt, attends to the image; the answer is written word by word, attending to it.

    Attention of a word of the answer is what it gives to the question's words times what these give to the regions,
    each the mean over layers and heads.

    Args:
        pretrained: a `BlipForQuestionAnswering`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    options = ("question", "answer")

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = Tower(pretrained.vision_model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.text_decoder, vocabulary)
        self.question_encoder = pretrained.text_encoder
        self.longest = pretrained.config.text_config.max_position_embeddings

    def asked(self, vocabulary: PieceVocabulary, question: str | None = None) -> Self:  # type: ignore[override]
        """The same model, asked a question. Raises UserError where there is none."""
        if not question:
            raise UserError('this model answers questions: add question="what color is the ball?"')
        return self.with_prompt(torch.tensor([vocabulary.question(question)]))

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (…) of an answer, or (N, P + ·) of question and answer, each by its own table → (…, E)."""
        answer = super().embed(tokens)
        length = self.prompt.shape[1]
        if tokens.ndim < 2 or length == 0:
            return answer
        table = self.question_encoder.get_input_embeddings()
        question = table(self.token_ids[tokens[:, :length]]) * (tokens[:, :length] != PAD).unsqueeze(-1)
        return torch.cat([question, answer[:, length:]], 1)

    def ask(self, question: Tensor, regions: Tensor) -> Asked:
        """Runs the question's encoder on embedded words (N, P, E) and regions (N, R, D)."""
        real = (question.detach() != 0).any(2)
        read = self.question_encoder(
            inputs_embeds=question.clone(),
            attention_mask=real.long(),
            encoder_hidden_states=regions,
            output_attentions=True,
        )
        return Asked(read.last_hidden_state, real, mean_attention(read.cross_attentions))

    def decode(self, embedded: Tensor, asked: Asked, cache: Any) -> tuple[Tensor, Tensor]:
        """Runs the answer's decoder on embedded words (N, S, E): outputs (N, S, H) and attention (N, S, R)."""
        with nullcontext() if asked.real.all() else QuestionMask(asked.real, embedded.dtype):
            decoded = self.decoder.bert(
                inputs_embeds=embedded.clone(),
                encoder_hidden_states=asked.hidden,
                past_key_values=cache,
                use_cache=cache is not None,
                is_decoder=True,
                output_attentions=True,
            )
        return decoded.last_hidden_state, mean_attention(decoded.cross_attentions) @ asked.attention

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_question_and_answer(number, regions, words, self.prompt.shape[1])

    vocabulary_of = staticmethod(Blip.vocabulary_of)

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.decoder.cls(output)
        return logits
