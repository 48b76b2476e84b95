"""What the operations of a transformer that are no linear layers become under LRP.

Relevance is gradient × input (Achtibat et al. 2024): a factor that takes no relevance is a constant, an activation is
its input times a constant, and of a product of two each factor takes half.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.attribution.attention_mode import AttentionMode
from whysaid.attribution.lrp.layers import propagated

Softmax = Literal["constant", "gradient"]
"""How relevance goes through attention weights: not at all, so that values take all (CP-LRP: Ali et al. 2022), or by
the softmax's own gradient, and values take half (AttnLRP: Achtibat et al. 2024, Propositions 3.1 and 3.3)."""

ACTIVATIONS = {
    *(F.gelu, F.silu, F.mish, F.hardswish, F.elu, F.leaky_relu, F.tanh),
    *(torch.tanh, torch.square),
    *(Tensor.tanh, Tensor.square),
}
"""Elementwise functions with f(0) = 0, which follow the identity rule."""

CONSTANTS = {
    *(torch.sigmoid, Tensor.sigmoid, F.sigmoid),
    *(torch.sqrt, Tensor.sqrt, torch.rsqrt, Tensor.rsqrt, torch.reciprocal, Tensor.reciprocal, Tensor.__rdiv__),
    *(torch.norm, Tensor.norm, torch.linalg.norm, torch.linalg.vector_norm),
}
"""Gates, and what normalises: the signal that they multiply takes all."""

SQUASHING = {torch.tanh, Tensor.tanh, torch.erf, Tensor.erf}
"""Written-out activations hold 1 + f(x), which is twice a gate: 1 + tanh x = 2 σ(2 x)."""


class TransformerRules(AttentionMode):
    """A context in which a transformer's forward builds the graph of a backward of relevance; parameters are constants.

    A gate that is written out, such as that of GPT-2's GELU, is known by the 1 that is added to its tanh.

    Attributes:
        softmax: how relevance goes through attention weights.
    """

    replaced: ClassVar[Mapping[Any, str]] = {
        **AttentionMode.replaced,
        F.layer_norm: "_layer_norm",
        F.rms_norm: "_rms_norm",
        F.normalize: "_normalize",
        torch.addmm: "_addmm",
        Tensor.addmm: "_addmm",
        **{
            function: "_matmul"
            for function in (torch.matmul, Tensor.matmul, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm)
        },
        torch.baddbmm: "_baddbmm",
        torch.einsum: "_einsum",
        **dict.fromkeys((torch.add, Tensor.add), "_add"),
        **dict.fromkeys((torch.mul, Tensor.mul, torch.multiply, Tensor.multiply), "_mul"),
        **dict.fromkeys((torch.div, Tensor.div, torch.true_divide, Tensor.true_divide), "_div"),
        **dict.fromkeys((torch.pow, Tensor.pow, Tensor.__pow__), "_pow"),
        Tensor.add_: "_add_",
        Tensor.mul_: "_mul_",
        Tensor.div_: "_div_",
    }

    softmax: Softmax
    _squashed: Tensor | None = None  # the last outcome of one of `SQUASHING`

    @abstractmethod
    def activate(self, x: Tensor, y: Tensor) -> Tensor:
        """Gives y = f(x) outside of any graph as a node of x's graph, by the identity rule: x takes all."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.replaced:
            return super().__torch_function__(func, types, args, kwargs)
        args, kwargs = constant(args), constant(kwargs or {})
        result = self._activation(func, *args, **kwargs) if func in ACTIVATIONS else func(*args, **kwargs)
        if func in SQUASHING:
            self._squashed = result
        return result.detach() if func in CONSTANTS else result

    def __exit__(self, *error: Any) -> None:
        """Lets go of the graph, which holds this in turn."""
        self._squashed = None
        super().__exit__(*error)

    def weigh(self, weights: Tensor) -> Tensor:
        return weights.detach() if self.softmax == "constant" else weights

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(*halves(a, b))

    def _activation(self, function: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        kwargs.pop("inplace", None)
        y = function(x.detach(), *args, **kwargs)
        return self.activate(x, y) if x.requires_grad else y

    def _layer_norm(
        self,
        x: Tensor,
        normalized_shape: tuple[int, ...],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Lets x − mean x pass, divided by a constant."""
        value, axes = x.detach(), tuple(range(-len(normalized_shape), 0))
        factor = (value.var(axes, correction=0, keepdim=True) + eps).rsqrt()
        factor = factor if weight is None else factor * weight.detach()
        y = F.layer_norm(value, normalized_shape, constant(weight), constant(bias), eps)
        return propagated(x, y, partial(_through_layer_norm, factor, axes))

    def _rms_norm(
        self, x: Tensor, normalized_shape: tuple[int, ...], weight: Tensor | None = None, eps: float | None = None
    ) -> Tensor:
        """Lets x pass, divided by a constant."""
        value, axes = x.detach(), tuple(range(-len(normalized_shape), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        factor = (value.square().mean(axes, keepdim=True) + eps).rsqrt()
        factor = factor if weight is None else factor * weight.detach()
        return propagated(x, F.rms_norm(value, normalized_shape, constant(weight), eps), partial(torch.mul, factor))

    def _normalize(self, x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
        return x / x.detach().norm(p, dim, keepdim=True).clamp_min(eps)

    def _addmm(self, bias: Tensor, x: Tensor, weight: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """Takes a product with a parameter for a fully connected layer, as GPT-2 writes it."""
        if isinstance(weight, nn.Parameter) and beta == alpha == 1:
            return self.project(x, weight.t(), bias)
        return beta * constant(bias) + alpha * self._matmul(x, weight)

    def _matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return self.multiply(constant(a), constant(b))

    def _baddbmm(self, summand: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        return beta * constant(summand) + alpha * self._matmul(a, b) if beta else alpha * self._matmul(a, b)

    def _einsum(self, equation: str, *operands: Any) -> Tensor:
        operands = constant(operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands)
        return torch.einsum(equation, *(halves(*operands) if len(operands) == 2 else operands))

    def _add(self, x: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
        y: Tensor = torch.add(constant(x), constant(other), alpha=alpha)
        return y.detach() if x is self._squashed and isinstance(other, int | float) and other == 1 else y

    def _mul(self, x: Any, other: Any) -> Tensor:
        return torch.mul(*halves(constant(x), constant(other)))

    def _div(self, x: Tensor, other: Any, **rounding: Any) -> Tensor:
        """Takes what is divided by for a constant."""
        return torch.div(constant(x), other.detach() if isinstance(other, Tensor) else other, **rounding)

    def _pow(self, x: Tensor, exponent: Any) -> Tensor:
        """Follows the identity rule; a root in a denominator is a constant."""
        y = torch.pow(x.detach(), constant(exponent))
        rises = isinstance(exponent, int | float) and exponent > 0
        return self.activate(x, y) if rises and live(x) else y

    def _add_(self, x: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
        """Works in place where there is no graph that may need the input."""
        return self._add(x, other, alpha=alpha) if live(x) or live(other) else x.add_(constant(other), alpha=alpha)

    def _mul_(self, x: Tensor, other: Any) -> Tensor:
        return self._mul(x, other) if live(x) or live(other) else x.mul_(constant(other))

    def _div_(self, x: Tensor, other: Any) -> Tensor:
        return self._div(x, other) if live(x) or live(other) else x.div_(constant(other))


def live(x: Any) -> bool:
    """Whether x carries relevance; a parameter does not."""
    return isinstance(x, Tensor) and x.requires_grad and not isinstance(x, nn.Parameter)


def constant(x: Any) -> Any:
    """Takes parameters out of any graph, also those in lists, tuples and dicts."""
    if isinstance(x, nn.Parameter):
        return x.detach()
    if type(x) in (list, tuple):
        return type(x)(map(constant, x))
    return {key: constant(value) for key, value in x.items()} if type(x) is dict else x


def halves(a: Any, b: Any) -> tuple[Any, Any]:
    """Gives the factors of a product; each of two that carry relevance takes half of the product's."""
    return (_half(a), _half(b)) if live(a) and live(b) else (a, b)


def _half(x: Tensor) -> Tensor:
    return propagated(x, x.detach(), lambda gradient: gradient * 0.5)


def _through_layer_norm(factor: Tensor, axes: tuple[int, ...], gradient: Tensor) -> Tensor:
    scaled = gradient * factor
    return scaled - scaled.mean(axes, keepdim=True)
