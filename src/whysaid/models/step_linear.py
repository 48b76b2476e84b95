"""Linear maps that are used once for each word, whose weights take one gradient for all words.

Autograd multiplies and adds once for each use of a weight. In a recurrent model these are T small products, and T
passes over a matrix that is larger than what is multiplied. Here the inputs and the gradients of all uses are kept, and
the gradient of the weight is one product of them: Σ_t g_tᵀ x_t.

N rows, I input features, O output features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Uses = list[tuple[Tensor, Tensor]]
"""The input (N, I) and the gradient of the output (N, O) of each use that a backward has passed."""


class StepLinear(nn.Linear):
    """`nn.Linear`, with the gradient of its parameters gathered inside of `gathered`."""

    shared: tuple[Tensor, Tensor | None, Uses] | None = None

    @property
    def learns(self) -> bool:
        """Whether a backward is to give the gradient of the weight."""
        return self.training and torch.is_grad_enabled() and self.weight.requires_grad

    def forward(self, x: Tensor) -> Tensor:
        """x (…, I) → (…, O)."""
        if self.shared is None or torch.compiler.is_compiling():
            return super().forward(x)
        weight, bias, uses = self.shared
        return _Use.apply(x.to(weight.dtype), weight, bias, uses)  # type: ignore[no-any-return, no-untyped-call]


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Within this context the parameters of each `StepLinear` of a model in training take one gradient for all uses.

    The whole graph is run backwards at once: a backward to other leaves alone would leave its uses to the next one.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, StepLinear) and layer.learns]
    for layer in layers:
        uses: Uses = []
        layer.shared = *_Shared.apply(layer.weight, layer.bias, uses), uses  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for layer in layers:
            layer.shared = None


class _Shared(torch.autograd.Function):
    """The parameters of a layer as its uses take them: in autocast's type, and with one gradient for all uses."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, uses: Uses) -> tuple[Tensor, Tensor | None]:
        ctx.uses, ctx.dtype = uses, weight.dtype
        ctx.has_bias = bias is not None
        ctx.set_materialize_grads(False)
        device = weight.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        return weight.to(dtype, copy=True), None if bias is None else bias.to(dtype, copy=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Any) -> tuple[Tensor | None, ...]:
        if not ctx.uses:
            return None, None, None
        x, gradient = (torch.cat(part) for part in zip(*ctx.uses, strict=True))
        ctx.uses.clear()
        bias = gradient.sum(0, dtype=ctx.dtype) if ctx.has_bias else None
        return (gradient.T @ x).to(ctx.dtype), bias, None


class _Use(torch.autograd.Function):
    """One use: x Wᵀ + b, whose backward leaves the gradients of W and b to `_Shared`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, uses: Uses) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.uses = uses
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        ctx.uses.append((x.flatten(0, -2), gradient.flatten(0, -2)))
        return gradient @ weight if ctx.needs_input_grad[0] else None, None, None, None
