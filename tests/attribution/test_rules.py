"""Each rule against its matrix form: relevance of x from relevance of y = W x + b, entry by entry."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.layers import Convolution, Layer, LinearMap, Product
from whysaid.attribution.lrp.rules import Rule
from whysaid.data.images import Preprocessing
from whysaid.errors import UserError

Array = NDArray[np.float64]
PREPROCESSING = Preprocessing(4, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def shared(parts: Array, z: Array, relevance: Array, epsilon: float) -> Array:
    """R_i = Σ_k part_ki / (z_k + ε sign z_k) R_k."""
    return (parts * (relevance / (z + np.where(z >= 0, epsilon, -epsilon)))[:, None]).sum(0)


def up(a: Array) -> Array:
    return np.maximum(a, 0)


def down(a: Array) -> Array:
    return np.minimum(a, 0)


def by_epsilon(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
    return shared(w * x, (w * x).sum(1) + b, r, e)


def by_alpha_beta(alpha: float, beta: float) -> Callable[..., Array]:
    def rule(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
        speaking, objecting = up(w * x), down(w * x)
        return alpha * shared(speaking, speaking.sum(1), r, e) - beta * shared(objecting, objecting.sum(1), r, e)

    return rule


def by_gamma(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
    """γ = 0.3: products that agree with the sign of the output count 1.3 times."""
    agree = np.where(((w * x).sum(1) + b >= 0)[:, None], w * x > 0, w * x < 0)
    parts = w * x * np.where(agree, 1.3, 1.0)
    bias = b * np.where(((w * x).sum(1) + b >= 0) == (b > 0), 1.3, 1.0)
    return shared(parts, parts.sum(1) + bias, r, e)


def by_z_box(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
    mean, std = np.array(PREPROCESSING.mean), np.array(PREPROCESSING.std)
    low, high = (np.repeat(bound, len(x) // 3) for bound in (-mean / std, (1 - mean) / std))
    parts = w * x - up(w) * low - down(w) * high
    return shared(parts, parts.sum(1), r, e)


def by_flat(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
    connected = (w != 0).astype(float)
    return shared(connected, connected.sum(1), r, e)


def by_w_square(x: Array, w: Array, b: Array, r: Array, e: float) -> Array:
    return shared(w**2, (w**2).sum(1), r, e)


EPSILON = 0.05
PAIRS: dict[str, tuple[Rule, Callable[..., Array]]] = {
    "epsilon": (rules.epsilon(EPSILON), by_epsilon),
    "alpha1_beta0": (rules.alpha_beta(1, 0, EPSILON), by_alpha_beta(1, 0)),
    "alpha2_beta1": (rules.alpha_beta(2, 1, EPSILON), by_alpha_beta(2, 1)),
    "gamma": (rules.gamma(0.3, EPSILON), by_gamma),
    "z_box": (rules.z_box(PREPROCESSING, EPSILON), by_z_box),
    "flat": (rules.flat(EPSILON), by_flat),
    "w_square": (rules.w_square(EPSILON), by_w_square),
}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {"weight": (4, 3, 3, 3), "stride": 1, "padding": 1, "dilation": 1, "groups": 1},
    "strided": {"weight": (4, 3, 3, 3), "stride": 2, "padding": 0, "dilation": 1, "groups": 1},
    "depthwise": {"weight": (6, 1, 2, 2), "stride": (1, 2), "padding": 1, "dilation": 2, "groups": 3},
}


def relevance(
    linear: LinearMap, rule: Rule, first: bool, x: Tensor, weight: Tensor, bias: Tensor, output: Tensor
) -> Tensor:
    """R of x from R of y, whichever way the layer hands it on."""
    y = linear.forward(x, weight, bias)
    relevance_in = Layer("it", linear, rule, first, x, weight, bias, y, y).propagate(output / y)
    return relevance_in if first else relevance_in * x


def cases(name: str, signed: bool) -> tuple[list[bool], float]:
    """First layer or not, as far as the rule goes; and what is taken off the inputs."""
    return ([True] if PAIRS[name][0].first_only else [True, False]), (0.0 if signed else 5.0)


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "z_box"])  # whose bounds are of images
@pytest.mark.parametrize("signed", [True, False])
def test_a_product_in_matrix_form(name: str, signed: bool) -> None:
    firsts, lift = cases(name, signed)
    rule, matrix_form = PAIRS[name]
    x, weight, bias, output = drawn(3, 2, 6) + lift, drawn(4, 6), drawn(4), drawn(3, 2, 4)
    for first in firsts:
        actual = relevance(Product(), rule, first, x, weight, bias, output).view(-1, 6)
        for row, source, onto in zip(actual, x.view(-1, 6), output.view(-1, 4), strict=True):
            expected = matrix_form(source.numpy(), weight.numpy(), bias.numpy(), onto.numpy(), EPSILON)
            np.testing.assert_allclose(row.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_convolution_in_matrix_form(name: str, kind: str) -> None:
    rule, matrix_form = PAIRS[name]
    options = dict(CONVOLUTIONS[kind])
    weight = drawn(*options.pop("weight"))
    linear: LinearMap = Convolution(**options)
    x, bias = drawn(2, 3, 5, 6), drawn(len(weight))
    pixels = torch.eye(x[0].numel(), dtype=torch.float64).view(-1, *x.shape[1:])
    matrix = F.conv2d(pixels, weight, **options).flatten(1).T.numpy()
    output = drawn(*linear.forward(x, weight, bias).shape)
    repeated = bias[:, None].expand(-1, output[0, 0].numel()).flatten().numpy()
    for first in cases(name, True)[0]:
        actual = relevance(linear, rule, first, x, weight, bias, output)
        for row, source, onto in zip(actual, x, output, strict=True):
            numbers = source.flatten().numpy(), matrix, repeated, onto.flatten().numpy()
            np.testing.assert_allclose(row.flatten().numpy(), matrix_form(*numbers, EPSILON), rtol=1e-9, atol=1e-12)


def test_an_output_of_zero_is_not_divided_by_zero() -> None:
    zeros = torch.zeros(1, 2, dtype=torch.float64)
    for rule in (rules.epsilon(), rules.alpha_beta(2, 1), rules.gamma()):
        layer = Layer("it", Product(), rule, False, zeros, drawn(2, 2), None, zeros, zeros)
        assert layer.finite and (layer.propagate(torch.ones_like(zeros)) * zeros == 0).all()


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (2, 0.5), (0.5, -0.5)])
def test_alpha_and_beta_must_conserve(alpha: float, beta: float) -> None:
    with pytest.raises(UserError, match="α − β = 1"):
        rules.alpha_beta(alpha, beta)
