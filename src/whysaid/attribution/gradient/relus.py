"""An encoder's forward whose backward can be repeated under another rule for its ReLUs.

Like the rules of LRP it acts on the functions that the encoder calls, so that nothing is hung on its modules.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whysaid.attribution.lrp.layers import Convolution, Propagate
from whysaid.attribution.lrp.pooling import max_pool


class ReLURule(Enum):
    """What goes back through y = max(x, 0), given the gradient g of y."""

    PLAIN = "g where x > 0: the gradient"
    DECONV = "max(g, 0), whatever x: Zeiler & Fergus 2014"
    GUIDED = "max(g, 0) where x > 0: Springenberg et al. 2015"


class Convolved(NamedTuple):
    """The last convolution, in case BatchNorm comes next."""

    linear: Convolution
    x: Tensor
    weight: Tensor
    output: Tensor


class ReLUs(TorchFunctionMode):
    """Within it, one forward of an encoder in evaluation mode builds a graph that serves every rule.

    ReLU6 and hardtanh pass, under the plain and the guided rule, only what they did not clip. Parameters count as
    constants, and convolutions and max-pools go back without repeating their input for each of many gradients.

    Args:
        dtype: of the products by which float32 gradients go back through convolutions; None: float32.

    Attributes:
        rule: what the next backward follows.
        count: ReLUs met so far.
    """

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.dtype = dtype
        self.rule, self.count = ReLURule.PLAIN, 0
        self._last: Convolved | None = None

    @contextmanager
    def following(self, rule: ReLURule) -> Iterator[None]:
        """Within it, backwards follow another rule."""
        before, self.rule = self.rule, rule
        try:
            yield
        finally:
            self.rule = before

    def __exit__(self, *error: Any) -> None:
        """Lets go of the graph, which holds this in turn: it is freed when its last user goes."""
        self._last = None
        super().__exit__(*error)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Inside, the mode is off."""
        call = _REPLACED.get(func)
        return func(*args, **(kwargs or {})) if call is None else call(self, *args, **(kwargs or {}))

    def _relu(self, x: Tensor, inplace: bool = False) -> Tensor:
        return self._clip(x, 0.0, None)

    def _relu6(self, x: Tensor, inplace: bool = False) -> Tensor:
        return self._clip(x, 0.0, 6.0)

    def _hardtanh(self, x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
        return self._clip(x, min_val, max_val)

    def _clip(self, x: Tensor, low: float, high: float | None) -> Tensor:
        """Out of place, since the graph before may need x."""
        self.count += 1
        value = x.detach()
        kept = value > low if high is None else (value > low) & (value < high)
        return _propagated(x, value.clamp(low, high), partial(self._rectify, kept))

    def _rectify(self, kept: Tensor, gradient: Tensor) -> Tensor:
        if self.rule is ReLURule.PLAIN:
            return gradient * kept
        rectified = gradient.clamp(min=0)
        return rectified if self.rule is ReLURule.DECONV else rectified.mul_(kept)

    def _convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: tuple[int, ...] | int = 1,
        padding: tuple[int, ...] | int | str = 0,
        dilation: tuple[int, ...] | int = 1,
        groups: int = 1,
    ) -> Tensor:
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        if isinstance(padding, str):
            convolved: Tensor = F.conv2d(x, weight, bias, stride, padding, dilation, groups)  # type: ignore[call-overload]
            return convolved
        linear = Convolution(stride, padding, dilation, groups)
        y = linear.forward(x.detach(), weight, bias)
        output = _propagated(x, y, self._transposed(linear, weight, x.shape))
        self._last = Convolved(linear, x, weight, output)
        return output

    def _batch_norm(
        self,
        x: Tensor,
        mean: Tensor | None,
        variance: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """y = f x + c, channel by channel; right behind a convolution they go back as one."""
        if training or mean is None or variance is None:
            return F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
        factor = (variance + eps).rsqrt() * (1 if weight is None else weight.detach())
        y = F.batch_norm(x.detach(), mean, variance, weight, bias, False, momentum, eps).detach()
        last, self._last = self._last, None
        if last is None or last.output is not x:
            return _propagated(x, y, partial(torch.mul, factor.view(-1, 1, 1)))
        scaled = last.weight * factor.view(-1, 1, 1, 1)
        return _propagated(last.x, y, self._transposed(last.linear, scaled, last.x.shape))

    def _transposed(self, linear: Convolution, weight: Tensor, shape: torch.Size) -> Callable[[Tensor], Tensor]:
        """The way back of a convolution."""
        rounded = weight.to(self.dtype if weight.dtype == torch.float32 else None)
        return lambda gradient: linear.transpose(gradient.to(rounded.dtype), rounded, shape).to(gradient.dtype)

    def _max_pool(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return max_pool(x, *args, **kwargs)

    def _add(self, x: Tensor, other: Tensor) -> Tensor:
        """Out of place: `x += other` would overwrite what a rule of the layer before returned."""
        return x + other


def _propagated(x: Tensor, y: Tensor, propagate: Callable[[Tensor], Tensor]) -> Tensor:
    """y as a node of x's graph."""
    output: Tensor = Propagate.apply(x, y, propagate)
    return output


_REPLACED: dict[Any, Callable[..., Tensor]] = {
    F.conv2d: ReLUs._convolution,
    F.batch_norm: ReLUs._batch_norm,
    F.max_pool2d: ReLUs._max_pool,
    F.relu: ReLUs._relu,
    F.relu6: ReLUs._relu6,
    F.hardtanh: ReLUs._hardtanh,
    torch.relu: ReLUs._relu,
    Tensor.relu: ReLUs._relu,
    Tensor.add_: ReLUs._add,
}
