"""CP-LRP and AttnLRP of two blocks of attention against plain loops over single numbers, without derivatives.

N tokens, E width, d width of a head. ε stands once in each denominator of a fully connected layer, and nowhere else.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.attribution.loops import Vector, softmax, through_linear, through_rows
from tests.attribution.oracle import through_sum_of_rows
from tests.attribution.test_transformer_rules import leaf, relevance
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite

N, E, HEADS, EPSILON = 3, 4, 2, 0.1


class Block(nn.Module):
    """x + W_o attention(norm x), then + W₂ GELU(W₁ norm x)."""

    def __init__(self) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.LayerNorm(E), nn.LayerNorm(E)
        self.query, self.key, self.value, self.output = (nn.Linear(E, E) for _ in range(4))
        self.widen, self.narrow = nn.Linear(E, 5), nn.Linear(5, E)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.first_norm(x)
        q, k, v = (
            layer(normed).unflatten(1, (HEADS, -1)).transpose(0, 1) for layer in (self.query, self.key, self.value)
        )
        x = x + self.output(F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1))
        return x + self.narrow(F.gelu(self.widen(self.second_norm(x))))


def attention_back(q: Vector, k: Vector, v: Vector, on_summed: Vector, live: bool) -> tuple[Vector, Vector, Vector]:
    """R of one head's queries, keys and values (N, d) from that of its output (N, d).

    A product shares R in proportion to its terms; a term of two live factors gives half to either (Proposition 3.3). A
    softmax has its Taylor expansion (3.1): R of s_i is s_i (R_i − a_i Σ R). Under CP-LRP, a is a constant.
    """
    tokens, width = q.shape
    on_q, on_k, on_v = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(tokens):
        scores = np.array([sum(q[i, d] * k[j, d] for d in range(width)) / math.sqrt(width) for j in range(tokens)])
        a, on_a = softmax(scores), np.zeros(tokens)
        for d in range(width):
            summed = sum(a[j] * v[j, d] for j in range(tokens))
            for j in range(tokens):
                share = a[j] * v[j, d] / summed * on_summed[i, d]
                on_v[j, d] += share / 2 if live else share
                on_a[j] += share / 2 if live else 0
        for j in range(tokens):
            on_score = scores[j] * (on_a[j] - a[j] * on_a.sum())
            for d in range(width):
                share = q[i, d] * k[j, d] / math.sqrt(width) / scores[j] * on_score
                on_q[i, d] += share / 2
                on_k[j, d] += share / 2
    return on_q, on_k, on_v


class Loops:
    """One block, forward and back."""

    def __init__(self, block: Block, x: Vector, live: bool):
        self.live, self.x = live, x
        self.weights = {name: value.numpy() for name, value in block.state_dict().items()}
        self.normed = self._norm("first_norm", x)
        self.q, self.k, self.v = (self._apply(name, self.normed) for name in ("query", "key", "value"))
        self.summed = np.zeros_like(x)
        for columns in np.split(np.arange(E), HEADS):
            for i in range(N):
                a = softmax(self.k[:, columns] @ self.q[i, columns] / math.sqrt(len(columns)))
                self.summed[i, columns] = a @ self.v[:, columns]
        self.added = self._apply("output", self.summed)
        self.middle = x + self.added
        self.late = self._norm("second_norm", self.middle)
        self.wide = self._apply("widen", self.late)
        self.hidden = F.gelu(torch.from_numpy(self.wide)).numpy()
        self.thought = self._apply("narrow", self.hidden)
        self.y = self.middle + self.thought

    def back(self, on_y: Vector) -> Vector:
        on_middle, on_thought = through_sum_of_rows([self.middle, self.thought], on_y, 0.0)
        on_wide = self._back("narrow", self.hidden, on_thought)  # what GELU gives it takes
        on_late = self._back("widen", self.late, on_wide)
        on_middle = on_middle + self._norm_back("second_norm", self.middle, on_late)
        on_x, on_added = through_sum_of_rows([self.x, self.added], on_middle, 0.0)
        on_summed = self._back("output", self.summed, on_added)
        on_qkv = [np.zeros_like(self.x) for _ in range(3)]
        for columns in np.split(np.arange(E), HEADS):
            head = (part[:, columns] for part in (self.q, self.k, self.v, on_summed))
            for whole, part in zip(on_qkv, attention_back(*head, live=self.live), strict=True):
                whole[:, columns] = part
        on_normed = sum(self._back(n, self.normed, r) for n, r in zip(("query", "key", "value"), on_qkv, strict=True))
        return on_x + self._norm_back("first_norm", self.x, on_normed)

    def _apply(self, name: str, x: Vector) -> Vector:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _back(self, name: str, x: Vector, relevance: Vector) -> Vector:
        return through_rows(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], relevance, EPSILON)

    def _matrices(self, name: str, x: Vector) -> list[Vector]:
        centre = np.eye(E) - 1 / E
        return [self.weights[f"{name}.weight"][:, None] * centre / math.sqrt(row.var() + 1e-5) for row in x]

    def _norm(self, name: str, x: Vector) -> Vector:
        rows = zip(self._matrices(name, x), x, strict=True)
        return np.stack([matrix @ row for matrix, row in rows]) + self.weights[f"{name}.bias"]

    def _norm_back(self, name: str, x: Vector, relevance: Vector) -> Vector:
        bias = self.weights[f"{name}.bias"]
        rows = zip(self._matrices(name, x), x, relevance, strict=True)
        return np.stack([through_linear(row, matrix, bias, r, 0.0) for matrix, row, r in rows])


@pytest.mark.parametrize("softmax_rule", ["constant", "gradient"])
def test_two_blocks_of_attention_are_those_of_plain_loops(softmax_rule: str) -> None:
    torch.manual_seed(0)
    blocks = nn.Sequential(Block(), Block()).double().eval()
    for parameter in blocks.parameters():
        nn.init.normal_(parameter)
    x, rule = leaf(N, E), rules.epsilon(EPSILON)
    y, (heat,) = relevance(Composite(rule, rule, rule, softmax=softmax_rule), blocks, x)  # type: ignore[arg-type]

    first = Loops(blocks[0], x.detach().numpy(), softmax_rule == "gradient")  # type: ignore[arg-type]
    second = Loops(blocks[1], first.y, softmax_rule == "gradient")  # type: ignore[arg-type]
    np.testing.assert_allclose(second.y, y, rtol=1e-10)
    np.testing.assert_allclose(heat, first.back(second.back(second.y)), rtol=1e-8)
