"""A linear layer at work on one input, and how relevance goes through it.

Between layers the gradient g stands for relevance: R = x ⊙ g of any tensor x. So all that is told nothing (sums of
branches, padding, pooling, up-sampling, concatenation, ReLU) shares relevance rightly by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from src.attribution.rules import PLAIN, Rule, Share
from src.models.relevance import stabilised


class LinearMap(Protocol):
    """x ↦ W x + b and its transpose, for any W."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """W x + b."""
        ...

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """Wᵀ y in the shape of x."""
        ...


class Product(LinearMap):
    """A fully connected layer: x (…, D), W (K, D)."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        return y @ weight


class Convolution(NamedTuple):
    """A two-dimensional convolution: x (B, C, H, W), W (K, C / groups, h, w)."""

    stride: tuple[int, ...] | int
    padding: tuple[int, ...] | int
    dilation: tuple[int, ...] | int
    groups: int

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, *self)

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        weight = weight.contiguous(memory_format=torch.channels_last)  # decides the layout of the result
        return conv2d_input(shape, weight, y, *self)


@dataclass(eq=False)
class Layer:
    """y = W x + b under a rule. What depends on x alone is computed for the first word and kept for all others.

    Attributes:
        name: for messages.
        linear: the kind of product.
        rule: how relevance is shared.
        first: x are the pixels; what goes back to them is relevance itself and no longer a factor of it.
        source: x, in its graph.
        weight, bias: W and b; of a convolution before BatchNorm, the folded ones.
        y: W x + b, outside of any graph.
        output: what an activation right behind made of y, under the identity rule; without one, y.
    """

    name: str
    linear: LinearMap
    rule: Rule
    first: bool
    source: Tensor
    weight: Tensor
    bias: Tensor | None
    y: Tensor
    output: Tensor

    def run(self) -> Tensor:
        """The output, as a node of x's graph whose gradient follows the rule."""
        output: Tensor = Propagate.apply(self.source, self.output, self.propagate)
        return output

    def propagate(self, gradient: Tensor) -> Tensor:
        """The factor of the output's relevance → the factor of x's, or, in a first layer, its relevance."""
        parts = []
        for ratio, terms in self._shares:
            shared = gradient * ratio
            for factor, weight in terms:
                part = self.linear.transpose(shared, weight, self.source.shape)
                parts.append(part if factor is None else factor * part)
        return sum(parts[1:], parts[0]) if parts else torch.zeros_like(self.source)

    @property
    def finite(self) -> bool:
        """Whether all output / z are, so that relevance can pass."""
        return all(bool(ratio.isfinite().all()) for ratio, _ in self._shares)

    @cached_property
    def _shares(self) -> list[tuple[Tensor, list[tuple[Tensor | None, Tensor]]]]:
        """Of each share: fraction · output / z, and factor (None: 1) and weight of each term that is not all 0."""
        shares = []
        for share in self.rule.shares:
            terms = [(term.input(self.source.detach()), term.weight(self.weight)) for term in share.terms]
            terms = [(part, weight) for part, weight in terms if share is PLAIN or part.any()]
            if terms:
                ratio = share.fraction * self.output / stabilised(self._sum(share, terms), self.rule.epsilon)
                if share.where is not None:
                    ratio = ratio * share.where(self.y)
                shares.append((ratio, [(self._factor(part), weight) for part, weight in terms]))
        return shares

    def _sum(self, share: Share, terms: list[tuple[Tensor, Tensor]]) -> Tensor:
        """z of a share."""
        if share is PLAIN:
            return self.y
        bias = None if share.bias is None or self.bias is None else share.bias(self.bias)
        (part, weight), *others = terms
        total = self.linear.forward(part, weight, bias)
        for part, weight in others:
            total += self.linear.forward(part, weight, None)
        return total

    def _factor(self, part: Tensor) -> Tensor | None:
        """What Wᵀ(…) is multiplied by: x_k itself in a first layer, elsewhere x_k / x, which is 1 or 0."""
        if self.first:
            return part
        taken = part == self.source.detach()
        return None if taken.all() else taken.to(part)


class MaxPool:
    """A max-pool of windows side by side, under the winner-take-all rule: x (B, C, H, W), kernel (h, w)."""

    def __init__(self, x: Tensor, kernel: tuple[int, int]):
        self.kernel, self.shape = kernel, x.shape[-2:]
        self.output, self.winners = F.max_pool2d(x, kernel, return_indices=True)

    def propagate(self, gradient: Tensor) -> Tensor:
        """The gradient at each window's first largest entry, 0 elsewhere."""
        windows = gradient.movedim(-3, -1)[..., :, None, :, None, :] * self._mask
        return windows.flatten(-5, -4).flatten(-3, -2).movedim(-1, -3)

    @cached_property
    def _mask(self) -> Tensor:
        """(B, H / h, h, W / w, w, C), True at the winners; channels last, as all layers work fastest."""
        places = torch.arange(self.shape.numel(), device=self.winners.device).view(self.shape)
        windows = places.unflatten(1, (-1, self.kernel[1])).unflatten(0, (-1, self.kernel[0]))
        winners = self.winners.movedim(1, -1).contiguous()
        return (windows[..., None] == winners[:, :, None, :, None]).contiguous()


class Propagate(torch.autograd.Function):
    """A value that was computed from x, whose gradient goes to x by a rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, propagate: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.propagate = propagate
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.propagate(gradients[0]), None, None
