"""Additive attention, plain (Xu et al. 2015) and with a visual sentinel (Lu et al. 2017; Eq. 2–7 of Sun et al. 2020).

B batch, K rows per image, N = B·K rows, R regions, H hidden, A attention width, D width of what is summed.
"""

import torch
from torch import Tensor, nn

from whysaid.models.relevance import gate, share
from whysaid.models.step_linear import StepLinear


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σ_i α_i v_i per row: weights (N, R), values (B, R, D) → (N, D), without repeating the values."""
    images, regions, dim = values.shape
    return torch.bmm(weights.view(images, -1, regions), values).view(-1, dim)


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over real regions: values (B, R, D), mask (B, R) or None → (B, D)."""
    if mask is None:
        return values.mean(1)
    weights = mask.to(values) / mask.sum(1, keepdim=True).clamp(min=1)
    return weighted_sum(weights, values)


class AdditiveScore(nn.Module):
    """a_i = w·tanh(W_v v_i + W_h h), with W_v v_i (the keys) computed once per image (Eq. 2)."""

    def __init__(self, value_dim: int, hidden_dim: int, attention_dim: int):
        super().__init__()
        self.key = nn.Linear(value_dim, attention_dim)
        self.query = StepLinear(hidden_dim, attention_dim, bias=False)
        self.score = nn.Linear(attention_dim, 1, bias=False)

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Query W_h h (N, A), keys (B, R, A), mask (B, R) → scores (N, R), −∞ where masked."""
        images, regions, width = keys.shape
        summed = keys.unsqueeze(1) + query.view(images, -1, 1, width)
        scores = self.score(torch.tanh(summed)).squeeze(-1)
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
        return scores.view(-1, regions)


class AdaptiveAttention(AdditiveScore):
    """The adaptive module: attention over the regions and the sentinel (Eq. 2–8)."""

    def __init__(self, hidden_dim: int, attention_dim: int):
        super().__init__(hidden_dim, hidden_dim, attention_dim)
        self.sentinel = StepLinear(hidden_dim, attention_dim)

    def attend(
        self, hidden: Tensor, sentinel: Tensor, values: Tensor, keys: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden h_t and sentinel s_t (N, H), values (B, R, H), keys (B, R, A).

        Returns:
            context ĉ_t (N, H), one ε-shared sum over [v; s] (Eq. 8); (1 − β)α (N, R); β (N,).
        """
        query = self.query(hidden)
        a = self.forward(query, keys, mask)
        b = self.score(torch.tanh(self.sentinel(sentinel) + query))
        weights = gate(torch.cat([a, b], 1).softmax(1))
        attention, beta = weights[:, :-1], weights[:, -1:]
        context = share(weighted_sum(attention, values) + beta * sentinel)
        return context, attention, beta.squeeze(1)
