"""BLIP of chosen sizes, with random weights, to be trained on a data set's own words."""

from typing import Any

from transformers import BlipConfig, BlipForConditionalGeneration, BlipTextConfig, BlipVisionConfig, BlipVisionModel

from whysaid.data.images import Preprocessing
from whysaid.data.vocabulary import END, PAD, START
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.transformers.blip import Blip
from whysaid.models.transformers.own_tokens import OwnTokens
from whysaid.models.transformers.tower import Tower


class BlipVision(Tower):
    """BLIP's vision transformer: patches of pixels and a class token through layers that are normalised first.

    Args:
        image_size: pixels, a multiple of `patch_size`.
        patch_size: pixels.
        dim: D, width of every layer.
        hidden_dim: width of the feed-forward layers.
        layers: of self-attention and feed-forward each.
        heads: dividing D.
        dropout: probability on attention weights.
        initial_std: standard deviation of the weights at first.
    """

    def __init__(
        self,
        image_size: int = 80,
        patch_size: int = 8,
        dim: int = 192,
        hidden_dim: int = 384,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        initial_std: float = 0.02,
    ):
        require_patches("blip_vision", image_size, patch_size)
        config = BlipVisionConfig(
            image_size=image_size,
            patch_size=patch_size,
            hidden_size=dim,
            intermediate_size=hidden_dim,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            attention_dropout=dropout,
            initializer_range=initial_std,
        )
        super().__init__(BlipVisionModel(config), Preprocessing(image_size, mean=(0.5,) * 3, std=(0.5,) * 3))


class SizedBlip(Blip):
    """A captioner of BLIP's text decoder over its vision transformer.

    Args:
        encoder: a `BlipVision`.
        vocab_size: V.
        embed_dim: E, width of a word and of every layer.
        hidden_dim: width of the feed-forward layers.
        layers: of self-attention, cross-attention and feed-forward each.
        heads: dividing E.
        dropout: probability on words, on what each sublayer adds and on attention weights.
        max_length: most words that can be read, `<start>` included: each place has a vector of its own.
        initial_std: standard deviation of the weights at first.

    Raises:
        UserError: the encoder is another.
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 768,
        hidden_dim: int = 3072,
        layers: int = 12,
        heads: int = 12,
        dropout: float = 0.1,
        max_length: int = 64,
        initial_std: float = 0.02,
    ):
        if not isinstance(encoder, BlipVision):
            other = type(encoder).__name__
            raise UserError(f"model=blip sees by BLIP's vision transformer, not {other}: choose encoder=blip_vision")
        text = BlipTextConfig(
            vocab_size=vocab_size,
            hidden_size=embed_dim,
            intermediate_size=hidden_dim,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=max_length,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            initializer_range=initial_std,
            bos_token_id=START,
            eos_token_id=END,
            sep_token_id=END,
            pad_token_id=PAD,
        )
        vision: Any = encoder.vision
        config = BlipConfig(text_config=text.to_dict(), vision_config=vision.config.to_dict())
        pretrained = BlipForConditionalGeneration(config)
        pretrained.vision_model = vision
        super().__init__(pretrained, encoder.preprocessing, OwnTokens(vocab_size))


def require_patches(encoder: str, image_size: int, patch_size: int) -> None:
    """Raises UserError where patches do not fill an image."""
    if image_size % patch_size:
        raise UserError(f"encoder={encoder} takes an image_size that is a multiple of {patch_size}, not {image_size}")
