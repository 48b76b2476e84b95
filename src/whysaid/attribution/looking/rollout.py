"""Attention rollout: attention from layer to layer, multiplied (Abnar & Zuidema 2020).

N images, T explained words, M heads, R regions, S words read, X = R + S tokens.
"""

from typing import Literal

import torch
from torch import Tensor

from whysaid.attribution.looking.attention_passes import AttentionMethod, AttentionPasses
from whysaid.errors import UserError

Heads = Literal["mean", "max", "min"]


class AttentionRollout(AttentionMethod):
    """The product of all layers' attention, half of each token's going on through the residual connection.

    In the encoder that is Eq. 1 of the paper; words that attend to regions take half of their own and half of what the
    regions have gathered. All that a word is given sums to 1, and is the same whatever word is said.

    Args:
        heads: how the heads of a layer are joined: by their mean, as in the paper, their largest or smallest weight.

    Raises:
        UserError: the model is no transformer.
    """

    def __init__(self, heads: Heads = "mean"):
        if heads not in ("mean", "max", "min"):
            raise UserError(f"heads are joined by their mean, max or min, not by their {heads!r}")
        super().__init__(chunk=1)
        self.heads = heads

    def relevance(self, passes: AttentionPasses) -> Tensor:
        size = passes.regions.shape[1] + passes.words
        gathered = torch.eye(size).to(passes.regions).repeat(len(passes.regions), 1, 1)
        for weights, (queries, keys) in passes.maps:
            attention = _joined(weights.detach().to(gathered), self.heads)
            attended = attention / attention.sum(-1, keepdim=True) @ gathered[:, keys]
            gathered = gathered.index_copy(1, queries, (gathered[:, queries] + attended) / 2)
        return gathered[:, passes.outputs]


def _joined(weights: Tensor, heads: Heads) -> Tensor:
    """Joins the heads of (N, M, Q, K)."""
    return weights.mean(1) if heads == "mean" else weights.amax(1) if heads == "max" else weights.amin(1)
