"""Which rule each layer of an encoder follows, and the context in which they do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.attribution.encoder_mode import EncoderMode, scaled
from whysaid.attribution.lrp.layers import Convolution, Layer, LinearMap, Product, product_dtype
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

    Raises:
        UserError: a rule that only a first layer allows stands elsewhere, or another dtype.
    """

    first: FirstRule
    convolution: Rule
    linear: Rule
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.convolution.first_only or self.linear.first_only:
            raise UserError("z^B, flat and w² replace the input, which only a first layer allows: set them as `first`")
        product_dtype(self.dtype)  # raises UserError for a dtype of another name

    @contextmanager
    def applied(self, encoder: Encoder) -> Iterator["Rules"]:
        """Sets the rules to work: within, one forward of `encoder` builds the graph of a backward by them.

        The gradient g of the encoder's output takes the relevance a ⊙ g of the output a; that of the images *is* their
        relevance. `encoder` must be in evaluation mode.
        """
        first = self.first if isinstance(self.first, Rule) else self.first(encoder.preprocessing)
        names = {id(module.weight): name for name, module in encoder.named_modules() if _has_weight(module)}
        with Rules(self, first, names) as rules:
            yield rules


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), Tensor)


class Rules(EncoderMode):
    """The rules at work: `layers` are those met so far, in order."""

    replaced: ClassVar[Mapping[Any, str]] = {**EncoderMode.replaced, F.linear: "_linear"}

    def __init__(self, composite: Composite, first: Rule, names: dict[int, str]):
        super().__init__()
        self.composite, self.first, self.names = composite, first, names
        self.layers: list[Layer] = []
        self._dtype = product_dtype(composite.dtype)
        self._output: Tensor | None = None  # of the last layer, in case BatchNorm or an activation comes next

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
        """Raises UserError where the padding has a name in place of a number."""
        if isinstance(convolution.padding, str):
            raise UserError(
                f"LRP needs the padding of {self._name(weight)} in pixels: give it a number, not "
                f"{convolution.padding!r}"
            )
        return self._ruled(convolution, self.composite.convolution, x, weight, bias)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
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

    def normalise(self, x: Tensor, y: Tensor, mean: Tensor, factor: Tensor, bias: Tensor | None) -> Tensor:
        """Folds it into the layer before, W' = W γ/σ, b' = β + (b − μ) γ/σ; anywhere else leaves it as it is."""
        if not self._follows(x, bare=True):
            return y
        before, y = self.layers.pop(), y.detach()
        weight = scaled(before.weight, factor)
        shift = ((0 if before.bias is None else before.bias) - mean) * factor + (0 if bias is None else bias.detach())
        return self._run(replace(before, weight=weight, bias=shift, y=y, output=y))

    def clip(self, x: Tensor, low: float, high: float | None) -> Tensor:
        """Follows the identity rule, joined with the layer before if there is one; a ReLU's gradient already does."""
        clipped = x.detach().clamp(low, high)
        if self._follows(x):
            return self._run(replace(self.layers.pop(), output=clipped))
        return torch.relu(x) if high is None else as_identity(x, clipped)

    def _follows(self, x: Tensor, bare: bool = False) -> bool:
        """Whether x comes straight from the last layer (`bare`: and no activation was joined with that yet)."""
        return x is self._output and not (bare and self.layers[-1].output is not self.layers[-1].y)

    def _name(self, weight: Tensor) -> str:
        return self.names.get(id(weight), "a layer")
