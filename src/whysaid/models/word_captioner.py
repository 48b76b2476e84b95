"""Captioners with an embedding and a vocabulary layer of their own, which read one word after the other.

B batch, N rows, T words, V vocabulary, R regions, D encoder features, H hidden, E embedding, A attention width,
G width of the first LSTM's gates.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.models.captioner import Captioner, CellOutput, repeat
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Reading
from whysaid.models.relevance import share


@dataclass
class Features:
    """All that depends on the image alone, computed once per image.

    values: (B, R, ·) what attention sums. keys: (B, R, A) what attention compares. pooled: (B, ·) the whole image.
    mask: (B, R) bool, True where a region is real, or None when all are.
    """

    values: Tensor
    keys: Tensor
    pooled: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)


class WordCaptioner(Captioner):
    """Base of the captioners that are trained here. A subclass supplies `project`, `start`, `drive` and `advance`.

    Args:
        encoder: pixels to regions.
        vocab_size: V.
        embed_dim: E.
        output_dim: width of what `advance` gives to the vocabulary layer.
        dropout: probability before the vocabulary layer.
    """

    def __init__(self, encoder: Encoder, vocab_size: int, embed_dim: int, output_dim: int, dropout: float):
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.vocabulary_layer = nn.Linear(output_dim, vocab_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def head(self, output: Tensor) -> Tensor:
        """Outputs (…, H) → logits (…, V)."""
        return share(self.vocabulary_layer(self.dropout(output)))

    def logits_of(self, output: Tensor, words: Tensor) -> Tensor:
        """Computes no other logits, unless a subclass has a head of its own."""
        if type(self).head is not WordCaptioner.head:
            return super().logits_of(output, words)
        layer = self.vocabulary_layer
        return F.linear(self.dropout(output), layer.weight[words], layer.bias[words])

    def read(self, embedded: Tensor, features: Any, sampling: float = 0.0) -> Reading:
        """`unroll` without its two ends."""
        state = repeat(self.start(features), len(embedded) // len(features))
        cells: list[CellOutput] = []
        for word in self.drive(embedded).unbind(1):
            if sampling > 0 and cells:
                word = self.draw_inputs(cells[-1].output, word, sampling)
            cells.append(self.advance(word, state, features))
            state = cells[-1].state
        sentinels = [cell.sentinel for cell in cells if cell.sentinel is not None]
        outputs, attention = (
            torch.stack(parts, 1) for parts in ([c.output for c in cells], [c.attention for c in cells])
        )
        parts = tuple(torch.stack(part, 1) for part in zip(*(cell.parts for cell in cells), strict=True))
        return Reading(outputs, attention, torch.stack(sentinels, 1) if sentinels else None, parts)
