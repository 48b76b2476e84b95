"""A linear layer at work on one input, and how relevance goes through it.

Between layers the gradient g stands for relevance: R = x ⊙ g of any tensor x. So all that has no rule (sums of
branches, padding, pooling, up-sampling, concatenation, ReLU) shares relevance rightly by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.attribution.lrp.rules import PLAIN, Rule, Share, Term, Times, negative, positive, same
from whysaid.errors import UserError
from whysaid.models.relevance import stabilised


def product_dtype(name: str | None) -> torch.dtype | None:
    """Gives the dtype of products of float32 tensors that go back: bfloat16, or None for `float32` and None.

    Raises:
        UserError: another name.
    """
    if name not in (None, "float32", "bfloat16"):
        raise UserError(f"products are float32 or bfloat16, not {name}")
    return torch.bfloat16 if name == "bfloat16" else None


class LinearMap(Protocol):
    """x ↦ W x + b and its transpose, for any W."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Computes W x + b."""
        ...

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """Computes Wᵀ y in the shape of x."""
        ...


class Product(LinearMap):
    """A fully connected layer: x (…, D), W (K, D)."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        return y @ weight


class Convolution(NamedTuple):
    """A two-dimensional convolution: x (B, C, H, W), W (K, C / groups, h, w).

    Padding is in pixels, or torch's name for it (`same`, `valid`), which has a forward only.
    """

    stride: tuple[int, ...] | int
    padding: tuple[int, ...] | int | str
    dilation: tuple[int, ...] | int
    groups: int

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolved: Tensor = F.conv2d(x, weight, bias, *self)  # type: ignore[arg-type]
        return convolved

    def transpose(self, y: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """Computes Wᵀ y by a transposed convolution: autograd's own way is a third slower at 224 px."""
        assert not isinstance(self.padding, str), "padding by name is counted in no pixels"
        stride, padding, dilation = pair(self.stride), pair(self.padding), pair(self.dilation)
        if (*weight.shape[2:], *stride, *padding) == (1, 1, 1, 1, 0, 0) and self.groups == 1:
            return (y.movedim(1, -1) @ weight.flatten(1)).movedim(-1, 1)  # torch's own is slow on one thread
        least = [
            (y.shape[i - 2] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.shape[i - 2] - 1) + 1
            for i in range(2)
        ]
        unread = [shape[i - 2] - least[i] for i in range(2)]  # pixels at the far edge that no window reached
        weight = weight.contiguous(memory_format=torch.channels_last)  # decides the layout of the result
        return F.conv_transpose2d(y, weight, None, stride, padding, unread, self.groups, dilation)


def pair(size: tuple[int, ...] | int) -> tuple[int, int]:
    """Gives height and width of a size that torch takes as one number or as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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
        output: the output of an activation right behind, under the identity rule; without one, y.
        dtype: of the products that share relevance, whose sums are in that of x; None: the same.
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
    dtype: torch.dtype | None = None

    def run(self) -> Tensor:
        """Gives the output, as a node of x's graph whose gradient follows the rule."""
        return propagated(self.source, self.output, self.propagate)

    def propagate(self, gradient: Tensor) -> Tensor:
        """Takes the factor of the output's relevance → the factor of x's or, in a first layer, the relevance of x."""
        parts = []
        for ratio, terms in self._shares:
            shared = (gradient * ratio).to(self.dtype)
            for term in terms:
                going = shared * self._sign if term.turned else shared
                part = self.linear.transpose(going, term.weight, self.source.shape).to(gradient.dtype)
                parts.append(part if term.factor is None else term.factor * part)
        return sum(parts[1:], parts[0]) if parts else torch.zeros_like(self.source)

    @property
    def finite(self) -> bool:
        """Whether all output / z are finite, so that relevance can pass."""
        return all(bool(ratio.isfinite().all()) for ratio, _ in self._shares)

    @cached_property
    def _shares(self) -> list[tuple[Tensor, list["_Applied"]]]:
        """For each share: fraction · output / z, and its terms that are not all 0."""
        source = self.source.detach()
        positive_source = bool(source.amin() >= 0)  # behind a ReLU: x⁺ and |x| are x itself, and x⁻ is nothing
        shares = []
        for share in self.rule.shares:
            terms = []
            for term in share.terms:
                if positive_source and term.input is negative:
                    continue
                whole = (positive_source and term.input in (positive, torch.abs)) or term.input is same
                part = source if whole else term.input(source)
                if whole or part.any():
                    terms.append((term, part, term.weight(self.weight).to(self.dtype)))
            if terms:
                ratio = self._ratio(share, terms)
                applied = [_Applied(self._factor(term, part), weight, term.turned) for term, part, weight in terms]
                shares.append((ratio, applied))
        return shares

    @cached_property
    def _sign(self) -> Tensor:
        """The sign of y in a byte each, that of 0 being +1."""
        return torch.ones_like(self.y, dtype=torch.int8).masked_fill_(self.y < 0, -1)

    def _ratio(self, share: Share, terms: list[tuple[Term, Tensor, Tensor]]) -> Tensor:
        """Gives fraction · output / z; in place if it can be, since this costs memory."""
        if share is PLAIN:
            z = stabilised(self.y, self.rule.epsilon)
        else:
            z = self._sum(terms)
            z = z.add_(self.rule.epsilon) if bool(z.amin() >= 0) else stabilised(z, self.rule.epsilon)
        ratio = torch.div(self.output, z, out=z)
        if share.fraction != 1:
            ratio *= share.fraction
        return ratio

    def _sum(self, terms: list[tuple[Term, Tensor, Tensor]]) -> Tensor:
        """Gives z of a share."""
        total: Tensor | None = None
        for term, part, weight in terms:
            product = self._product(term, part, weight)
            if term.turned:
                product *= self._sign
            total = product if total is None else total.add_(product)
        assert total is not None, "a share without terms has no z"
        return total

    def _product(self, term: Term, part: Tensor, weight: Tensor) -> Tensor:
        """Gives W_k x_k + b_k in memory of its own."""
        if isinstance(term.weight, Times) and term.input is same and term.bias is term.weight:
            return term.weight(self.y)  # what was computed already
        bias = None if term.bias is None or self.bias is None else term.bias(self.bias).to(self.dtype)
        return self.linear.forward(part.to(self.dtype), weight, bias).to(part.dtype)

    def _factor(self, term: Term, part: Tensor) -> Tensor | None:
        """Gives what Wᵀ(…) is multiplied by: x_k itself in a first layer, elsewhere x_k / x, which is 1, 0 or −1."""
        source = self.source.detach()
        if self.first:
            return part
        if part is source or part.data_ptr() == source.data_ptr():
            return None
        if term.input is torch.abs:
            return source.sign()
        taken = part == source
        return None if taken.all() else taken.to(part)


class _Applied(NamedTuple):
    """A term at work: factor (None: 1) and weight W_k, and whether it counts with the sign of y."""

    factor: Tensor | None
    weight: Tensor
    turned: bool


class MaxPool:
    """A max-pool of windows side by side, under the winner-take-all rule: x (B, C, H, W), kernel (h, w)."""

    def __init__(self, x: Tensor, kernel: tuple[int, int]):
        self.kernel, self.shape = kernel, x.shape[-2:]
        self.output, self.winners = F.max_pool2d(x, kernel, return_indices=True)

    def propagate(self, gradient: Tensor) -> Tensor:
        """Gives the gradient to each window's first largest entry, and 0 to all others."""
        windows = gradient.movedim(-3, -1)[..., :, None, :, None, :] * self._mask
        return windows.flatten(-5, -4).flatten(-3, -2).movedim(-1, -3)

    @cached_property
    def _mask(self) -> Tensor:
        """Marks the winners, (B, H / h, h, W / w, w, C); channels last, since layers work fastest so."""
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


def propagated(x: Tensor, y: Tensor, propagate: Callable[[Tensor], Tensor]) -> Tensor:
    """Makes y a node of x's graph, whose gradient goes to x through `propagate`."""
    output: Tensor = Propagate.apply(x, y, propagate)
    return output
