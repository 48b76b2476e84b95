"""Which rule each layer of a model follows, and the context in which they do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.attribution.encoder_mode import EncoderMode, scaled
from whysaid.attribution.lrp.layers import Convolution, Layer, LinearMap, Product, product_dtype
from whysaid.attribution.lrp.rules import Rule, alpha_beta, epsilon, gamma
from whysaid.attribution.lrp.transformer_rules import Softmax, TransformerRules
from whysaid.data.images import Preprocessing
from whysaid.errors import DoesNotApplyError, UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.relevance import as_identity

FirstRule = Rule | Callable[[Preprocessing], Rule]


@dataclass(frozen=True)
class Composite:
    """Rules of the layers of an encoder, or of what is behind it.

    Activations follow the identity rule, max-pools the winner-take-all rule; BatchNorm is folded into the convolution
    before it. Sums, padding, up-sampling and all else share in proportion to what they add. What becomes of the other
    operations of a transformer stands in `TransformerRules`.

    Attributes:
        first: of the layer that reads the pixels; or a function from the encoder's preprocessing to a rule (z^B).
            What is behind an encoder has no such layer.
        convolution: of all other convolutions.
        linear: of all other fully connected layers.
        softmax: how relevance goes through attention weights: `constant` (CP-LRP) or `gradient` (AttnLRP).
        dtype: of the products that share the relevance of float32 images. Where the hardware has `bfloat16` it takes
            half the time, and maps under α1β0 stay within a hundredth of their length; forward values stay as they are.

    Raises:
        UserError: a rule that only a first layer allows stands elsewhere, or another softmax or dtype.
    """

    first: FirstRule
    convolution: Rule
    linear: Rule
    dtype: str | None = None
    softmax: Softmax = "constant"

    def __post_init__(self) -> None:
        if self.softmax not in ("constant", "gradient"):
            raise UserError(f"attention weights are constant or have their gradient under LRP, not {self.softmax!r}")
        if self.convolution.first_only or self.linear.first_only:
            raise UserError("z^B, flat and w² replace the input, which only a first layer allows: set them as `first`")
        product_dtype(self.dtype)  # raises UserError for a dtype of another name

    @contextmanager
    def applied(self, encoder: Encoder) -> Iterator["Rules"]:
        """Sets the rules to work: within, one forward of `encoder` builds the graph of a backward by them.

        The gradient g of the encoder's output takes the relevance a ⊙ g of the output a; that of the images *is* their
        relevance. `encoder` must be in evaluation mode.
        """
        with Rules(
            self, encoder, self.first if isinstance(self.first, Rule) else self.first(encoder.preprocessing)
        ) as r:
            yield r

    @contextmanager
    def applied_behind(self, model: nn.Module) -> Iterator["Rules"]:
        """Sets the rules to work on what is behind the encoder of `model`, in evaluation mode.

        The gradient g of any output a takes its relevance a ⊙ g, and x ⊙ g is that of any leaf x.
        """
        with Rules(self, model) as rules:
            yield rules


PAPER = Composite(first=alpha_beta(1.0, 0.0), convolution=alpha_beta(1.0, 0.0), linear=epsilon(0.01))
"""The rules of Sun et al. 2020, §4: α1β0 in convolutions, ε = 0.01 in fully connected layers."""

TOWER = Composite(first=gamma(0.25), convolution=gamma(0.25), linear=gamma(0.05))
"""Rules of a vision transformer: γ as Achtibat et al. 2024 have it there, and CP-LRP."""

TEXT = Composite(first=epsilon(1e-6), convolution=epsilon(1e-6), linear=epsilon(1e-6))
"""Rules of a language model: next to nothing is lost to ε, and CP-LRP."""


class Rules(TransformerRules, EncoderMode):
    """The rules at work: `layers` are those met so far, in order.

    Args:
        composite: the rules.
        module: what runs within, whose layers are named in messages.
        first: the rule of the layer that is met first; None: no layer reads pixels.
    """

    replaced: ClassVar[Mapping[Any, str]] = {
        **EncoderMode.replaced,
        **TransformerRules.replaced,
        F.linear: "_linear",
        F.conv3d: "_conv3d",
    }

    def __init__(self, composite: Composite, module: nn.Module, first: Rule | None = None):
        super().__init__()
        self.composite, self.first, self.softmax = composite, first, composite.softmax
        self.names = {_storage(weight): name.removesuffix(".weight") for name, weight in module.named_parameters()}
        self.layers: list[Layer] = []
        self._dtype = product_dtype(composite.dtype)
        self._output: Tensor | None = None  # of the last layer, in case BatchNorm or an activation comes next

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
        """Raises UserError where the padding has a name in place of a number."""
        if isinstance(convolution.padding, str):
            raise DoesNotApplyError(
                f"LRP needs the padding of {self._name(weight)} in pixels: give it a number, not "
                f"{convolution.padding!r}"
            )
        return self._ruled(convolution, self.composite.convolution, x, weight, bias)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._ruled(Product(), self.composite.linear, x, weight, bias)

    def _conv3d(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, *places: Any, **named: Any) -> Tensor:
        """Takes a window that covers all of each input for a fully connected layer, as Qwen2-VL embeds its patches.

        Raises:
            UserError: it moves.
        """
        if x.shape[1:] != weight.shape[1:]:
            raise DoesNotApplyError(f"LRP knows convolutions in two dimensions, and {self._name(weight)} has three")
        return self._linear(x.flatten(1), weight.flatten(1), bias)[:, :, None, None, None]

    def project(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._linear(x, weight, bias)

    def _ruled(self, linear: LinearMap, rule: Rule, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        name, first = self._name(weight), self.first is not None and not self.layers
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        y = linear.forward(x.detach(), weight, bias)
        dtype = self._dtype if x.dtype == torch.float32 else None
        rule = self.first if self.first and first else rule
        return self._run(Layer(name, linear, rule, first, x, weight, bias, y, y, dtype))

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
        if high is None and not self._follows(x):
            return torch.relu(x)
        return self.activate(x, x.detach().clamp(low, high))

    def activate(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(replace(self.layers.pop(), output=y)) if self._follows(x) else as_identity(x, y)

    def _follows(self, x: Tensor, bare: bool = False) -> bool:
        """Whether x comes straight from the last layer (`bare`: and no activation was joined with that yet)."""
        return x is self._output and not (bare and self.layers[-1].output is not self.layers[-1].y)

    def _name(self, weight: Tensor) -> str:
        return self.names.get(_storage(weight), "a layer")


def _storage(weight: Tensor) -> int:
    """Where the numbers of a weight lie, which its transpose and parts share."""
    return weight.untyped_storage().data_ptr()
