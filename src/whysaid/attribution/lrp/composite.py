"""Which rule each layer of an encoder follows, and the context in which they do.

Rules act on the functions that an encoder calls (torch's function modes), never on its modules: nothing is hung on
them, and so nothing can be left behind.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whysaid.attribution.lrp.layers import Convolution, Layer, LinearMap, Product, product_dtype
from whysaid.attribution.lrp.pooling import max_pool
from whysaid.attribution.lrp.rules import Rule
from whysaid.data.images import Preprocessing
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.relevance import as_identity

FirstRule = Rule | Callable[[Preprocessing], Rule]


@dataclass(frozen=True)
class Composite:
    """Rules of an encoder's layers.

    Activations follow the identity rule, max-pools the winner-take-all rule; BatchNorm is folded into the convolution
    before it. Sums, padding, up-sampling and all else share in proportion to what they add.

    Attributes:
        first: of the layer that reads the pixels; or a function from the encoder's preprocessing to a rule (z^B).
        convolution: of all other convolutions.
        linear: of all other fully connected layers.
        dtype: of the products that share the relevance of float32 images. Where the hardware has `bfloat16` it takes
            half the time, and maps under α1β0 stay within a hundredth of their length; forward values stay as they are.
    """

    first: FirstRule
    convolution: Rule
    linear: Rule
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.convolution.first_only or self.linear.first_only:
            raise UserError("z^B, flat and w² replace the input, which only a first layer allows: set them as `first`")

        product_dtype(self.dtype)

    @contextmanager
    def applied(self, encoder: Encoder) -> Iterator["Rules"]:
        """Within it, one forward of `encoder` builds the graph of a backward by rules.

        The gradient g of the encoder's output takes the relevance a ⊙ g of the output a; that of the images *is* their
        relevance. `encoder` must be in evaluation mode.
        """
        first = self.first if isinstance(self.first, Rule) else self.first(encoder.preprocessing)
        names = {id(module.weight): name for name, module in encoder.named_modules() if _has_weight(module)}
        with Rules(self, first, names) as rules:
            yield rules


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), Tensor)


class Rules(TorchFunctionMode):
    """The rules at work: `layers` are those met so far, in order."""

    def __init__(self, composite: Composite, first: Rule, names: dict[int, str]):
        super().__init__()
        self.composite, self.first, self.names = composite, first, names
        self.layers: list[Layer] = []
        self._dtype = product_dtype(composite.dtype)
        self._output: Tensor | None = None  # of the last layer, in case BatchNorm or an activation comes next

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Inside, the mode is off: what the rules compute themselves is plain."""
        call = _RULED.get(func)
        return func(*args, **(kwargs or {})) if call is None else call(self, *args, **(kwargs or {}))

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
        if isinstance(padding, str):
            raise UserError(
                f"LRP needs the padding of {self._name(weight)} in pixels: give it a number, not {padding!r}"
            )
        linear = Convolution(stride, padding, dilation, groups)
        return self._ruled(linear, self.composite.convolution, x, weight, bias)

    def _product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._ruled(Product(), self.composite.linear, x, weight, bias)

    def _ruled(self, linear: LinearMap, rule: Rule, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        name, first = self._name(weight), not self.layers
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        y = linear.forward(x.detach(), weight, bias)
        dtype = self._dtype if x.dtype == torch.float32 else None
        return self._run(Layer(name, linear, self.first if first else rule, first, x, weight, bias, y, y, dtype))

    def _run(self, layer: Layer) -> Tensor:
        self.layers.append(layer)
        self._output = layer.run()
        return self._output

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
        """Folded into the layer before: W' = W γ/σ, b' = β + (b − μ) γ/σ. Anywhere else, as it is."""
        y = F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
        if not self._follows(x, bare=True) or training or mean is None or variance is None:
            return y
        before, y = self.layers.pop(), y.detach()
        factor = (variance + eps).rsqrt() * (1 if weight is None else weight.detach())
        scaled = before.weight * factor.view(-1, *[1] * (before.weight.ndim - 1))
        shift = ((0 if before.bias is None else before.bias) - mean) * factor + (0 if bias is None else bias.detach())
        return self._run(replace(before, weight=scaled, bias=shift, y=y, output=y))

    def _max_pool(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Winner-take-all, as the gradient itself."""
        return max_pool(x, *args, **kwargs)

    def _relu(self, x: Tensor, inplace: bool = False) -> Tensor:
        """Out of place: a layer before it still needs its output."""
        if not self._follows(x):
            return torch.relu(x)
        return self._run(replace(self.layers.pop(), output=x.detach().relu()))

    def _relu6(self, x: Tensor, inplace: bool = False) -> Tensor:
        return self._hardtanh(x, 0.0, 6.0)

    def _hardtanh(self, x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
        """The identity rule, joined with the layer before where there is one."""
        clipped = x.detach().clamp(min_val, max_val)
        return self._run(replace(self.layers.pop(), output=clipped)) if self._follows(x) else as_identity(x, clipped)

    def _add(self, x: Tensor, other: Tensor) -> Tensor:
        """Out of place: `x += other` would overwrite the output of the layer that x comes from."""
        return x + other

    def _follows(self, x: Tensor, bare: bool = False) -> bool:
        """Whether x comes straight from the last layer (`bare`: and no activation was joined with that yet)."""
        return x is self._output and not (bare and self.layers[-1].output is not self.layers[-1].y)

    def _name(self, weight: Tensor) -> str:
        return self.names.get(id(weight), "a layer")


_RULED: dict[Any, Callable[..., Tensor]] = {
    F.conv2d: Rules._convolution,
    F.linear: Rules._product,
    F.batch_norm: Rules._batch_norm,
    F.max_pool2d: Rules._max_pool,
    F.relu: Rules._relu,
    F.relu6: Rules._relu6,
    F.hardtanh: Rules._hardtanh,
    Tensor.add_: Rules._add,
}
