"""ViLT of chosen sizes, with random weights, to be trained on a data set's own questions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import ViltConfig, ViltForQuestionAnswering
from transformers.models.vilt.modeling_vilt import ViltEmbeddings

from whysaid.data.images import Preprocessing
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.encoders.blocks import pooled_blocks
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.transformers.own_tokens import OwnTokens
from whysaid.models.transformers.sized_blip import require_patches
from whysaid.models.transformers.vilt import Patches, Vilt


class ViltPatches(Patches):
    """What ViLT makes of an image before a word is read: a map of each patch, and its position.

    ViLT's map is linear, which takes millions of pictures to learn from. With a stem the patches are cut out of what
    a few convolutions see, which learns from thousands (Xiao et al. 2021, Early convolutions help transformers see
    better).

    Args:
        image_size: pixels, a multiple of `patch_size`.
        patch_size: pixels.
        dim: D, width of the whole transformer.
        dropout: probability on each patch.
        initial_std: standard deviation of the positions at first.
        stem: channels of each block of the stem; none: ViLT's own linear map. There is a max-pool between blocks, and
            2 to the number of pools must divide `patch_size`.

    Raises:
        UserError: sizes that do not divide one another.
    """

    def __init__(
        self,
        image_size: int = 80,
        patch_size: int = 16,
        dim: int = 192,
        dropout: float = 0.0,
        initial_std: float = 0.02,
        stem: Sequence[int] = (),
    ):
        require_patches("vilt_patches", image_size, patch_size)
        config = ViltConfig(
            image_size=image_size,
            patch_size=patch_size,
            hidden_size=dim,
            hidden_dropout_prob=dropout,
            num_attention_heads=1,
        )
        embeddings = ViltEmbeddings(config)
        if stem:
            convolutions = stemmed(stem, patch_size, dim)
            embeddings.patch_embeddings = convolutions  # type: ignore[assignment]
        for vectors in (embeddings.cls_token, embeddings.position_embeddings):
            nn.init.trunc_normal_(vectors, std=initial_std)
        super().__init__(embeddings, Preprocessing(image_size, mean=(0.5,) * 3, std=(0.5,) * 3))


def stemmed(widths: Sequence[int], patch: int, dim: int) -> nn.Module:
    """Makes the map of pixels (B, 3, H, W) to patches (B, dim, H / patch, W / patch) through convolutions.

    Args:
        widths: channels of each block.
        patch: pixels.
        dim: D.

    Raises:
        UserError: the blocks' pools do not divide the patch.
    """
    reduction = 2 ** (len(widths) - 1)
    if patch % reduction:
        raise UserError(
            f"vilt_patches: {len(widths)} blocks of the stem make one place of {reduction} pixels, "
            f"which does not divide a patch of {patch}"
        )
    side = patch // reduction
    return _Stemmed(*pooled_blocks(widths), nn.Conv2d(widths[-1], dim, side, stride=side))


class _Stemmed(nn.Sequential):
    """Layers of which the last maps what the others see to patches: the one that `ViltEmbeddings` asks for by name."""

    @property
    def projection(self) -> nn.Module:
        return self[-1]

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = super().forward(images.contiguous(memory_format=torch.channels_last))
        return patches


class SizedVilt(Vilt):
    """A model that answers questions, of the width of its patches.

    Args:
        encoder: a `ViltPatches`.
        vocab_size: words that a question may hold.
        answers: V.
        hidden_dim: width of the feed-forward layers.
        layers: of self-attention and feed-forward each.
        heads: dividing D.
        dropout: probability on words, on what each sublayer adds and on attention weights.
        max_length: most words of a question.
        initial_std: standard deviation of the weights at first.

    Raises:
        UserError: the encoder is another.
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        answers: int,
        hidden_dim: int = 3072,
        layers: int = 12,
        heads: int = 12,
        dropout: float = 0.0,
        max_length: int = 40,
        initial_std: float = 0.02,
    ):
        if not isinstance(encoder, ViltPatches):
            other = type(encoder).__name__
            raise UserError(f"model=vilt reads patches of pixels, not {other}: choose encoder=vilt_patches")
        config = ViltConfig(
            vocab_size=vocab_size,
            hidden_size=encoder.dim,
            intermediate_size=hidden_dim,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            max_position_embeddings=max_length,
            image_size=encoder.preprocessing.size,
            patch_size=encoder.patch,
            initializer_range=initial_std,
            pad_token_id=PAD,
        )
        config.num_labels = answers
        pretrained = ViltForQuestionAnswering(config)
        embeddings = pretrained.vilt.embeddings
        embeddings.patch_embeddings, embeddings.dropout = encoder.projection, encoder.dropout
        embeddings.cls_token, embeddings.position_embeddings = encoder.class_token, encoder.positions
        super().__init__(pretrained, encoder.preprocessing, OwnTokens(vocab_size))
