"""Attention on attention (Huang et al. 2019), the multi-head captioner of Sun et al. 2022.

B batch, N rows, R regions, D encoder features, H hidden, E embedding, A attention width, M heads.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from whysaid.models.attention import masked_mean
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.lstm import LSTM
from whysaid.models.multihead import GatedLinear, MultiHead, Refiner
from whysaid.models.relevance import share
from whysaid.models.word_captioner import Features, WordCaptioner


class AoA(WordCaptioner):
    """LSTM on [e(w); v̄ + c_{t−1}], multi-head attention by h_t, gated; logits = W(dropout(c + h)).

    Args:
        attention_dim: A, width of the queries and keys of all heads together.
        heads: M, dividing H and A.
        attention_dropout: on the attention weights.
        gate_on: `hidden` gates σ(W_g h) ⊙ W_l ctx (Sun et al.); `both` gates and maps [ctx; h] (Huang et al.).
        feed_context: add c_{t−1} to the LSTM's image input (Huang et al., Eq. 9).
        refiner_layers: self-attention layers over the regions; 0 in Sun et al., 6 in Huang et al.
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 512,
        hidden_dim: int = 512,
        attention_dim: int = 512,
        heads: int = 8,
        dropout: float = 0.3,
        attention_dropout: float = 0.1,
        gate_on: Literal["hidden", "both"] = "hidden",
        feed_context: bool = True,
        refiner_layers: int = 0,
    ):
        super().__init__(encoder, vocab_size, embed_dim, hidden_dim, dropout)
        self.feed_context = feed_context
        self.project_region = nn.Linear(encoder.dim, hidden_dim)
        self.refiner = nn.ModuleList(
            Refiner(hidden_dim, attention_dim, heads, attention_dropout) for _ in range(refiner_layers)
        )
        self.attention = MultiHead(hidden_dim, attention_dim, heads, attention_dropout)
        self.gated = GatedLinear(hidden_dim, gate_on)
        self.lstm = LSTM((embed_dim, hidden_dim), hidden_dim)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        """v_i = ReLU(W_a a_i), refined; `pooled` is v̄'s product with the LSTM's gates."""
        values = torch.relu(share(self.project_region(regions)))
        for layer in self.refiner:
            values = layer(values, mask)
        pooled = self.lstm.inputs[1](share(masked_mean(values, mask)))
        return Features(share(self.attention.value(values)), self.attention.key(values), pooled, mask)

    def start(self, features: Features) -> State:
        zeros = features.values.new_zeros(len(features), features.values.shape[-1])
        return zeros, zeros, zeros

    def drive(self, embedded: Tensor) -> Tensor:
        return self.lstm.inputs[0](embedded)

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        hidden, cell, context = state
        drive = word + rows(features.pooled, word)
        if self.feed_context:
            drive = drive + self.lstm.inputs[1](context)
        hidden, cell, _ = self.lstm(drive, hidden, cell)
        images = len(features)
        query = self.attention.query(hidden).unflatten(0, (images, -1))
        summed, attention = self.attention(query, features.keys, features.values, features.mask)
        context = self.gated(summed.reshape_as(hidden), hidden)
        state = hidden, cell, context
        return CellOutput(share(context + hidden), attention.reshape(len(hidden), -1), None, state, (context, hidden))
