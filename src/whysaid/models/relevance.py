"""The marks through which layer-wise relevance propagation (LRP) acts on a model.

With every gate and attention weight constant, every linear map and sum followed by `share`, and tanh treated as the
identity, relevance of any leaf is gradient × input: Algorithm 1 of Sun et al. 2020 in one backward. Outside `lrp()`
the marks are the plain functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_epsilon: ContextVar[float | None] = ContextVar("epsilon", default=None)


@contextmanager
def lrp(epsilon: float = 0.01) -> Iterator[None]:
    """Within this context gradients are relevance ratios: gradient × input of a leaf is its relevance (ε-rule)."""
    token = _epsilon.set(epsilon)
    try:
        yield
    finally:
        _epsilon.reset(token)


def under_lrp() -> bool:
    """Whether the context is open."""
    return _epsilon.get() is not None


def gate(x: Tensor) -> Tensor:
    """`x`; under LRP a constant, so that the signal it multiplies takes all the relevance."""
    return x if _epsilon.get() is None else x.detach()


def share(y: Tensor) -> Tensor:
    """`y`, a linear map or a sum; under LRP its relevance is shared by the ε-rule: gradient · y / (y + ε·sign y)."""
    epsilon = _epsilon.get()
    if epsilon is None or not y.requires_grad:
        return y
    value = y.detach()
    ratio = value / stabilised(value, epsilon)
    shared = y.view_as(y)
    shared.register_hook(lambda gradient: gradient * ratio)
    return shared.view_as(shared)  # without the hook, which a gradient by `shared` itself would have passed already


def tanh(x: Tensor) -> Tensor:
    """tanh; under LRP the identity rule."""
    return torch.tanh(x) if _epsilon.get() is None else as_identity(x, torch.tanh(x.detach()))


def stabilised(z: Tensor, epsilon: float) -> Tensor:
    """z + ε·sign z, away from 0, with sign 0 = 1."""
    return torch.where(z >= 0, z + epsilon, z - epsilon)


def as_identity(x: Tensor, y: Tensor) -> Tensor:
    """y = f(x) of an elementwise f, f(0) = 0, as the product of x with the constant y / x (1 at 0).

    gradient × input is then the same on both sides: x takes all relevance of y.
    """
    value = x.detach()
    zero = value == 0
    return x * torch.where(zero, torch.ones_like(value), y / torch.where(zero, torch.ones_like(value), value))
