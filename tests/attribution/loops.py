"""Layer-wise relevance propagation in plain loops over single numbers, without derivatives: bricks of the oracle.

Vectors are (D,) float64 arrays; R is relevance; ε stands once in each denominator.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Weights = dict[str, Vector]


def sigmoid(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def softmax(x: Vector) -> Vector:
    e = np.exp(x - x.max())
    return e / e.sum()


def away_from_zero(z: float, epsilon: float) -> float:
    return z + epsilon if z >= 0 else z - epsilon


def through_linear(x: Vector, weight: Vector, bias: Vector, relevance: Vector, epsilon: float) -> Vector:
    """R of x, from R of W x + b by the ε-rule."""
    relevance_in = np.zeros_like(x)
    for k in range(len(weight)):
        z = bias[k]
        for j in range(len(x)):
            z += weight[k, j] * x[j]
        for j in range(len(x)):
            relevance_in[j] += weight[k, j] * x[j] / away_from_zero(z, epsilon) * relevance[k]
    return relevance_in


def through_sum(parts: list[Vector], relevance: Vector, epsilon: float) -> list[Vector]:
    """R of each part, from R of their sum by the ε-rule."""
    relevances = [np.zeros_like(part) for part in parts]
    for d in range(len(relevance)):
        z = 0.0
        for part in parts:
            z += part[d]
        for share, part in zip(relevances, parts, strict=True):
            share[d] = part[d] / away_from_zero(z, epsilon) * relevance[d]
    return relevances


class Moment(NamedTuple):
    """One step of an LSTM."""

    x: list[Vector]
    hidden_before: Vector
    cell_before: Vector
    keep: Vector
    write: Vector
    drive: Vector
    cell: Vector
    hidden: Vector
    sentinel: Vector | None


class Memory:
    """An LSTM from a captioner's weights, forward and back (Arras et al. 2017).

    columns: which of the weights `inputs.i` each input is multiplied with.
    """

    def __init__(self, weights: Weights, name: str, columns: tuple[int, ...], sentinel: bool = False):
        self.sentinel = sentinel
        self.matrices = [weights[f"{name}.inputs.{i}.weight"] for i in columns]
        self.recurrent, self.bias = weights[f"{name}.recurrent.weight"], weights[f"{name}.recurrent.bias"]
        self.width = self.recurrent.shape[1]

    def forward(self, x: list[Vector], hidden: Vector, cell: Vector) -> Moment:
        z = self.bias + self.recurrent @ hidden
        for matrix, part in zip(self.matrices, x, strict=True):
            z = z + matrix @ part
        gates = np.split(z, len(z) // self.width)
        keep, write, expose = sigmoid(gates[0]), sigmoid(gates[1]), sigmoid(gates[2])
        after = keep * cell + write * np.tanh(gates[3])
        sentinel = sigmoid(gates[4]) * np.tanh(after) if self.sentinel else None
        return Moment(x, hidden, cell, keep, write, gates[3], after, expose * np.tanh(after), sentinel)

    def back(
        self, moment: Moment, on_hidden: Vector, on_cell: Vector, epsilon: float
    ) -> tuple[list[Vector], Vector, Vector]:
        """R of h_t and of m_t → of inputs, h_{t−1}, m_{t−1}. A sentinel's R counts as h_t's: both gate the cell."""
        on_cell = on_cell + on_hidden
        kept, written = moment.keep * moment.cell_before, moment.write * np.tanh(moment.drive)
        on_cell_before, on_drive = through_sum([kept, written], on_cell, epsilon)
        rows = slice(3 * self.width, 4 * self.width)
        matrix = np.concatenate([m[rows] for m in (*self.matrices, self.recurrent)], 1)
        joined = np.concatenate([*moment.x, moment.hidden_before])
        on_joined = through_linear(joined, matrix, self.bias[rows], on_drive, epsilon)
        *on_x, on_hidden_before = np.split(on_joined, np.cumsum([len(part) for part in moment.x]))
        return on_x, on_hidden_before, on_cell_before


def through_mean(values: Vector, relevance: Vector, epsilon: float) -> Vector:
    """R of values (R, D) from R of their mean."""
    return np.stack(through_sum([value / len(values) for value in values], relevance, epsilon))


def through_rows(x: Vector, weight: Vector, bias: Vector, relevance: Vector, epsilon: float) -> Vector:
    """`through_linear` for each row of x (R, D)."""
    return np.stack(
        [through_linear(*row, epsilon) for row in ((a, weight, bias, r) for a, r in zip(x, relevance, strict=True))]
    )
