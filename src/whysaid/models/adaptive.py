"""Adaptive attention: Knowing When to Look (Lu et al. 2017), the first captioner of Sun et al. 2020.

B batch, N rows, R regions, D encoder features, H hidden, E embedding, A attention width.
"""

import torch
from torch import Tensor, nn

from whysaid.models.attention import AdaptiveAttention, masked_mean
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.lstm import LSTM
from whysaid.models.relevance import share
from whysaid.models.word_captioner import Features, WordCaptioner


class Adaptive(WordCaptioner):
    """LSTM on [e(w); v_g], attention by h_t over regions and sentinel; logits = W(dropout(ĉ + h))."""

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 512,
        hidden_dim: int = 512,
        attention_dim: int = 512,
        dropout: float = 0.5,
    ):
        super().__init__(encoder, vocab_size, embed_dim, hidden_dim, dropout)
        self.project_region = nn.Linear(encoder.dim, hidden_dim)
        self.project_global = nn.Linear(encoder.dim, hidden_dim)
        self.attention = AdaptiveAttention(hidden_dim, attention_dim)
        self.lstm = LSTM((embed_dim, hidden_dim), hidden_dim, sentinel=True)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        """v_i = ReLU(W_a a_i) and v_g = ReLU(W_b mean a_i); `pooled` is v_g's product with the LSTM's gates."""
        values = torch.relu(share(self.project_region(regions)))
        pooled = torch.relu(share(self.project_global(share(masked_mean(regions, mask)))))
        return Features(values, self.attention.key(values), self.lstm.inputs[1](pooled), mask)

    def start(self, features: Features) -> State:
        zeros = features.values.new_zeros(len(features), features.values.shape[-1])
        return zeros, zeros

    def drive(self, embedded: Tensor) -> Tensor:
        return self.lstm.inputs[0](embedded)

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        hidden, cell, sentinel = self.lstm(word + rows(features.pooled, word), *state)
        context, attention, beta = self.attention.attend(
            hidden, sentinel, features.values, features.keys, features.mask
        )
        return CellOutput(share(context + hidden), attention, beta, (hidden, cell), (context, hidden))
