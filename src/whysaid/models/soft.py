"""Soft attention: Show, Attend and Tell (Xu et al. 2015), the captioner of the object-importance paper.

B batch, N rows, R regions, D encoder features, H hidden, E embedding, A attention width.
"""

import torch
from torch import Tensor, nn

from whysaid.models.attention import AdditiveScore, masked_mean, weighted_sum
from whysaid.models.captioner import CellOutput, State
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.lstm import LSTM
from whysaid.models.relevance import gate, share, tanh
from whysaid.models.step_linear import StepLinear
from whysaid.models.word_captioner import Features, WordCaptioner


class Soft(WordCaptioner):
    """Attention by h_{t−1} over the encoder's own vectors, context gated by σ(W_β h), deep output.

    logits = W(dropout(Ey + L_h h + L_z z)).
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 512,
        hidden_dim: int = 512,
        attention_dim: int = 512,
        dropout: float = 0.5,
    ):
        super().__init__(encoder, vocab_size, embed_dim, embed_dim, dropout)
        self.attention = AdditiveScore(encoder.dim, hidden_dim, attention_dim)
        self.start_hidden = nn.Linear(encoder.dim, hidden_dim)
        self.start_cell = nn.Linear(encoder.dim, hidden_dim)
        self.context_gate = StepLinear(hidden_dim, encoder.dim)
        self.lstm = LSTM((embed_dim, encoder.dim), hidden_dim)
        self.output_hidden = StepLinear(hidden_dim, embed_dim)
        self.output_context = StepLinear(encoder.dim, embed_dim, bias=False)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        return Features(regions, self.attention.key(regions), share(masked_mean(regions, mask)), mask)

    def start(self, features: Features) -> State:
        hidden = tanh(share(self.start_hidden(features.pooled)))
        cell = tanh(share(self.start_cell(features.pooled)))
        return hidden, cell

    def drive(self, embedded: Tensor) -> Tensor:
        """Gates of the word (…, 4H), and the word itself (…, E) for the deep output."""
        return torch.cat([self.lstm.inputs[0](embedded), embedded], -1)

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        hidden, cell = state
        gates, embedded = word.split([self.lstm.gate_dim, word.shape[-1] - self.lstm.gate_dim], -1)
        scores = self.attention(self.attention.query(hidden), features.keys, features.mask)
        attention = gate(scores.softmax(1))
        context = share(weighted_sum(attention, features.values))
        context = gate(torch.sigmoid(self.context_gate(hidden))) * context
        hidden, cell, _ = self.lstm(gates + self.lstm.inputs[1](context), hidden, cell)
        parts = self.output_context(context), self.output_hidden(hidden)
        output = share(embedded + parts[1] + parts[0])
        return CellOutput(output, attention, None, (hidden, cell), parts)
