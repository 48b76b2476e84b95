"""BLIP as a captioner: Li et al. 2022."""

from typing import Any

from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.models.transformers.cross_attention import CrossAttentionCaptioner, mean_attention
from whysaid.models.transformers.own_tokens import Tokens
from whysaid.models.transformers.special_tokens import with_start_and_end
from whysaid.models.transformers.tower import Tower


class Blip(CrossAttentionCaptioner):
    """A vision transformer, and a BERT whose layers attend to its tokens.

    Args:
        pretrained: a `BlipForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: Tokens):
        encoder = Tower(pretrained.vision_model, preprocessing)
        super().__init__(pretrained, encoder, pretrained.text_decoder, vocabulary)
        self.longest = pretrained.config.text_config.max_position_embeddings

    def decode(self, embedded: Tensor, regions: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        decoded = self.decoder.bert(
            inputs_embeds=embedded,
            encoder_hidden_states=regions,
            past_key_values=cache,
            use_cache=cache is not None,
            is_decoder=True,
            output_attentions=True,
        )
        output = self.decoder.cls.predictions.transform(decoded.last_hidden_state)
        return output, mean_attention(decoded.cross_attentions)

    @staticmethod
    def vocabulary_of(pretrained: Any, tokenizer: Any) -> PieceVocabulary:
        """Its text ends with `[SEP]`, whatever token the configuration calls the end."""
        text = pretrained.config.text_config
        specials = with_start_and_end(tokenizer, text.bos_token_id, text.sep_token_id)
        return PieceVocabulary(tokenizer, text.vocab_size, specials)

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.last_layer(output)
        return logits

    @property
    def last_layer(self) -> nn.Linear:
        layer: nn.Linear = self.decoder.cls.predictions.decoder
        return layer
