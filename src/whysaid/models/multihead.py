"""Scaled dot-product attention with heads, its gate, and the refiner (Huang et al. 2019), as LRP can follow them.

B batch, Q queries per image, R regions, H hidden, A width of all heads' queries and keys, M heads.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from whysaid.errors import UserError
from whysaid.models.relevance import gate, share, under_lrp
from whysaid.models.step_linear import StepLinear


class MultiHead(nn.Module):
    """softmax(q k / √(A/M)) v per head; the weights are gates. `query`, `key`, `value` are left to the caller."""

    def __init__(self, hidden_dim: int, attention_dim: int, heads: int, dropout: float):
        super().__init__()
        if hidden_dim % heads or attention_dim % heads:
            raise UserError(
                f"{heads} heads do not divide the widths {hidden_dim} and {attention_dim}: change model.heads"
            )
        self.heads = heads
        self.query = StepLinear(hidden_dim, attention_dim)
        self.key = nn.Linear(hidden_dim, attention_dim)
        self.value = nn.Linear(hidden_dim, hidden_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attends to what the mask marks.

        Args:
            query: (B, Q, A).
            keys: (B, R, A).
            values: (B, R, H).
            mask: (B, R) of each image, or (1, Q, R) of each query, or None.

        Returns:
            The sum (B, Q, H) and the mean weights of the heads (B, Q, R).
        """
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, keys, values))
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask.view(len(mask), 1, -1, mask.shape[-1]), float("-inf"))
        weights = gate(scores.softmax(-1))
        summed = share(self.dropout(weights) @ v)
        return summed.transpose(1, 2).flatten(2), weights.mean(1)


class GatedLinear(nn.Module):
    """Attention on attention: σ(W_g ·) ⊙ W_l ·, on the context gated by the query, or on both joined."""

    def __init__(self, hidden_dim: int, gate_on: Literal["hidden", "both"]):
        super().__init__()
        self.both = gate_on == "both"
        inputs = 2 * hidden_dim if self.both else hidden_dim
        self.gate = StepLinear(inputs, hidden_dim)
        self.linear = StepLinear(inputs, hidden_dim)

    def forward(self, context: Tensor, query: Tensor) -> Tensor:
        """Context and query (…, H) → (…, H)."""
        joined = torch.cat([context, query], -1) if self.both else None
        opened = gate(torch.sigmoid(self.gate(query if joined is None else joined)))
        return opened * share(self.linear(context if joined is None else joined))


class LayerNorm(nn.LayerNorm):
    """LayerNorm whose standard deviation is a gate: the mean subtraction, being linear, stays live under LRP."""

    def forward(self, x: Tensor) -> Tensor:
        if not under_lrp():
            return super().forward(x)  # one function, several times as fast
        return share(self.part(x, x) + self.bias)

    def part(self, part: Tensor, whole: Tensor) -> Tensor:
        """What a summand of x adds to the output, the bias left out: part (…, H), whole x (…, H)."""
        deviation = gate((whole.var(-1, correction=0, keepdim=True) + self.eps).rsqrt())
        scaled: Tensor = (part - part.mean(-1, keepdim=True)) * deviation * self.weight
        return scaled


class Refiner(nn.Module):
    """One refining layer: V + AoA(self-attention over LayerNorm(V)) (Huang et al. 2019, Eq. 7)."""

    def __init__(self, hidden_dim: int, attention_dim: int, heads: int, dropout: float):
        super().__init__()
        self.norm = LayerNorm(hidden_dim)
        self.attention = MultiHead(hidden_dim, attention_dim, heads, dropout)
        self.gated = GatedLinear(hidden_dim, "both")

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Values (B, R, H) → (B, R, H)."""
        x = self.norm(values)
        query, keys = self.attention.query(x), self.attention.key(x)
        summed, _ = self.attention(query, keys, share(self.attention.value(x)), mask)
        return share(values + self.gated(summed, x))
