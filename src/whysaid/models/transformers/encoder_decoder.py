"""Any vision encoder with any text decoder, such as ViT-GPT2."""

from typing import Any

import torch
from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.errors import UserError
from whysaid.models.transformers.cross_attention import CrossAttentionCaptioner, mean_attention
from whysaid.models.transformers.tower import Tower


class EncoderDecoder(CrossAttentionCaptioner):
    """A vision model, and a language model whose layers attend to its tokens.

    Args:
        pretrained: a `VisionEncoderDecoderModel`.
        preprocessing: of its photos.
        vocabulary: of its tokens.

    Raises:
        UserError: the decoder has other parts than a transformer and a head.
    """

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        encoder = Tower(pretrained.encoder, preprocessing, getattr(pretrained, "enc_to_dec_proj", None))
        super().__init__(pretrained, encoder, pretrained.decoder, vocabulary)
        self.longest = getattr(pretrained.config.decoder, "max_position_embeddings", None)
        self.vocabulary_head = head_of(pretrained.decoder)

    def decode(self, embedded: Tensor, regions: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        decoded = self.decoder.base_model(  # type: ignore[operator]
            inputs_embeds=embedded,
            encoder_hidden_states=regions,
            past_key_values=cache,
            use_cache=cache is not None,
            output_attentions=True,
            **self._positions(embedded, cache),
        )
        return decoded.last_hidden_state, mean_attention(decoded.cross_attentions)

    def _positions(self, embedded: Tensor, cache: Any) -> dict[str, Tensor]:
        """Positions of RoBERTa and its kin, which count from their padding's, and from there again behind a cache."""
        embeddings: Any = getattr(self.decoder.base_model, "embeddings", None)
        if not hasattr(embeddings, "create_position_ids_from_inputs_embeds"):
            return {}
        first = embeddings.padding_idx + 1 + (0 if cache is None else cache.get_seq_length())
        places = torch.arange(first, first + embedded.shape[1], device=embedded.device)
        return {"position_ids": places.expand(len(embedded), -1)}

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.vocabulary_head[0](output)
        return logits

    @property
    def last_layer(self) -> nn.Linear:
        (head,) = self.vocabulary_head
        return head if isinstance(head, nn.Linear) else super().last_layer


def head_of(decoder: Any) -> tuple[nn.Module]:
    """The part of a language model behind its transformer, in a tuple, so that it becomes no submodule twice.

    Raises:
        UserError: there is no such part, or several.
    """
    parts = [part for part in decoder.children() if part is not decoder.base_model]
    if len(parts) != 1:
        raise UserError(f"{type(decoder).__name__} is no decoder of a transformer and one head: it cannot be explained")
    return (parts[0],)
