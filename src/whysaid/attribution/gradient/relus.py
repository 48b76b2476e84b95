"""An encoder's forward whose backward can be repeated under another rule for its ReLUs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from whysaid.attribution.encoder_mode import EncoderMode, scaled
from whysaid.attribution.lrp.layers import Convolution, propagated


class ReLURule(Enum):
    """The gradient that goes back through y = max(x, 0), given the gradient g of y."""

    PLAIN = "g where x > 0: the gradient"
    DECONV = "max(g, 0), whatever x: Zeiler & Fergus 2014"
    GUIDED = "max(g, 0) where x > 0: Springenberg et al. 2015"


class Convolved(NamedTuple):
    """The last convolution, in case BatchNorm comes next."""

    convolution: Convolution
    x: Tensor
    weight: Tensor
    output: Tensor


class ReLUs(EncoderMode):
    """A context in which one forward of an encoder builds a graph that serves every rule.

    ReLU6 and hardtanh pass, under the plain and the guided rule, only what they did not clip. Parameters count as
    constants, and convolutions and max-pools go back without repeating their input for each of many gradients.

    Args:
        dtype: of the products by which float32 gradients go back through convolutions; None: float32.

    Attributes:
        rule: what the next backward follows.
        count: ReLUs met so far.
    """

    replaced: ClassVar[Mapping[Any, str]] = {**EncoderMode.replaced, torch.relu: "_relu", Tensor.relu: "_relu"}

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.dtype = dtype
        self.rule, self.count = ReLURule.PLAIN, 0
        self._last: Convolved | None = None

    @contextmanager
    def following(self, rule: ReLURule) -> Iterator[None]:
        """Lets backwards follow another rule within it."""
        before, self.rule = self.rule, rule
        try:
            yield
        finally:
            self.rule = before

    def __exit__(self, *error: Any) -> None:
        """Lets go of the graph, which holds this in turn: it is freed when its last user goes."""
        self._last = None
        super().__exit__(*error)

    def clip(self, x: Tensor, low: float, high: float | None) -> Tensor:
        self.count += 1
        value = x.detach()
        kept = value > low if high is None else (value > low) & (value < high)
        return propagated(x, value.clamp(low, high), partial(self._rectify, kept))

    def _rectify(self, kept: Tensor, gradient: Tensor) -> Tensor:
        if self.rule is ReLURule.PLAIN:
            return gradient * kept
        rectified = gradient.clamp(min=0)
        return rectified if self.rule is ReLURule.DECONV else rectified.mul_(kept)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        if isinstance(convolution.padding, str):
            return convolution.forward(x, weight, bias)
        y = convolution.forward(x.detach(), weight, bias)
        output = propagated(x, y, self._transposed(convolution, weight, x.shape))
        self._last = Convolved(convolution, x, weight, output)
        return output

    def normalise(self, x: Tensor, y: Tensor, mean: Tensor, factor: Tensor, bias: Tensor | None) -> Tensor:
        """Lets a convolution and BatchNorm right behind it go back as one."""
        y = y.detach()
        last, self._last = self._last, None
        if last is None or last.output is not x:
            return propagated(x, y, partial(torch.mul, factor.view(-1, 1, 1)))
        return propagated(last.x, y, self._transposed(last.convolution, scaled(last.weight, factor), last.x.shape))

    def _transposed(self, convolution: Convolution, weight: Tensor, shape: torch.Size) -> Callable[[Tensor], Tensor]:
        """Gives the way back of a convolution: gradient of its output → gradient of its input (B, C, H, W)."""
        rounded = weight.to(self.dtype if weight.dtype == torch.float32 else None)
        return lambda gradient: convolution.transpose(gradient.to(rounded.dtype), rounded, shape).to(gradient.dtype)
