"""The LSTM cell of every captioner, with the visual sentinel of Lu et al. 2017 as a fifth gate.

N rows, H hidden, G = 4H (5H with a sentinel) gate width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from whysaid.models.relevance import gate, share, tanh
from whysaid.models.step_linear import StepLinear


class Memory(NamedTuple):
    """hidden h_t (N, H); cell m_t (N, H); sentinel s_t (N, H) or None."""

    hidden: Tensor
    cell: Tensor
    sentinel: Tensor | None


class LSTM(nn.Module):
    """An LSTM cell over several inputs, each with a weight of its own.

    The products are left to the caller (`inputs[i]`), so that those of words are batched over a caption and those of
    the image are computed once; together they are the product with the concatenated input.

    Args:
        input_dims: widths of the inputs.
        hidden_dim: H.
        sentinel: also give s_t = σ(W_x x_t + W_h h_{t−1}) ⊙ tanh(m_t) (Eq. 1 of Sun et al. 2020).
    """

    def __init__(self, input_dims: tuple[int, ...], hidden_dim: int, sentinel: bool = False):
        super().__init__()
        self.has_sentinel = sentinel
        self.gate_dim = (5 if sentinel else 4) * hidden_dim
        self.inputs = nn.ModuleList(StepLinear(dim, self.gate_dim, bias=False) for dim in input_dims)
        self.recurrent = StepLinear(hidden_dim, self.gate_dim)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden_dim**-0.5), hidden_dim**-0.5)

    def forward(self, drive: Tensor, hidden: Tensor, cell: Tensor) -> Memory:
        """Takes one step: `drive` (N, G), the sum of the inputs' products; h_{t−1} and m_{t−1} (N, H)."""
        gates = (drive + self.recurrent(hidden)).chunk(5 if self.has_sentinel else 4, -1)
        keep, write, expose = (gate(torch.sigmoid(g)) for g in gates[:3])
        cell = share(keep * cell + write * tanh(share(gates[3])))
        squashed = tanh(cell)
        sentinel = gate(torch.sigmoid(gates[4])) * squashed if self.has_sentinel else None
        return Memory(expose * squashed, cell, sentinel)
