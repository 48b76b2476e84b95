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
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.transformers.own_tokens import OwnTokens
from whysaid.models.transformers.sized_blip import require_patches
from whysaid.models.transformers.vilt import Patches, Vilt


class ViltPatches(Patches):
    """What ViLT makes of an image before a word is read: a map of each patch, and its position.

    ViLT's map is linear, which takes millions of pictures to learn from. With a stem the patches are cut out of what
    a few convolutions see, which learns from thousands (Xiao et al. 2021, Early convolutions help transformers see
    better). The convolutions are those of `ScenesCNN`, and may start from its weights.

    Args:
        image_size: pixels, a multiple of `patch_size`.
        patch_size: pixels.
        dim: D, width of the whole transformer.
        dropout: probability on each patch.
        initial_std: standard deviation of the positions at first.
        stem: channels of each block of the stem; none: ViLT's own linear map of pixels. There is a max-pool between
            blocks, and 2 to the number of pools must divide `patch_size`.

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
        reduction = 2 ** max(len(stem) - 1, 0)
        if patch_size % reduction:
            raise UserError(
                f"vilt_patches: {len(stem)} blocks of the stem make one place of {reduction} pixels, "
                f"which does not divide a patch of {patch_size}"
            )
        config = ViltConfig(
            image_size=image_size // reduction,
            patch_size=patch_size // reduction,
            num_channels=stem[-1] if stem else 3,
            hidden_size=dim,
            hidden_dropout_prob=dropout,
            num_attention_heads=1,
        )
        embeddings = ViltEmbeddings(config)
        for vectors in (embeddings.cls_token, embeddings.position_embeddings):
            nn.init.trunc_normal_(vectors, std=initial_std)
        super().__init__(embeddings, Preprocessing(image_size, mean=(0.5,) * 3, std=(0.5,) * 3))
        self.features = nn.Sequential(*pooled_blocks(stem))
        self.patch = patch_size
        self.grid = self.grid_at(image_size, image_size)

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) in [−1, 1] → Regions."""
        return super().forward(self.features(images.contiguous(memory_format=torch.channels_last)))


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
        self.encoder = encoder  # in place of patches of the same weights, which know no stem
