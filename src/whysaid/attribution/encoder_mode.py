"""The functions that an encoder calls, given a backward of another kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from whysaid.attribution.function_mode import FunctionMode
from whysaid.attribution.lrp.layers import Convolution
from whysaid.attribution.lrp.pooling import max_pool


class EncoderMode(FunctionMode, ABC):
    """A context in which one forward of an encoder in evaluation mode builds the graph of another backward.

    The calls with torch's own arguments stand here, and what a method makes of them stands in its subclass. Nothing is
    done in place, since a graph before may need its input.
    """

    replaced: ClassVar[Mapping[Any, str]] = {
        F.conv2d: "_conv2d",
        F.batch_norm: "_batch_norm",
        F.max_pool2d: "_max_pool2d",
        F.relu: "_relu",
        F.relu6: "_relu6",
        F.hardtanh: "_hardtanh",
        Tensor.add_: "_add_",
    }

    @abstractmethod
    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
        """Computes the convolution W x + b."""

    @abstractmethod
    def normalise(self, x: Tensor, y: Tensor, mean: Tensor, factor: Tensor, bias: Tensor | None) -> Tensor:
        """Normalises with kept statistics: y = (x − mean) · factor + bias in each channel.

        Args:
            x: its input.
            y: its output as torch computes it, in the graph of x.
            mean: (C,).
            factor: (C,) γ / σ, outside of any graph.
            bias: (C,), or None.
        """

    @abstractmethod
    def clip(self, x: Tensor, low: float, high: float | None) -> Tensor:
        """Holds x between two numbers; a ReLU holds it above 0, and `high` is None."""

    def _conv2d(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: tuple[int, ...] | int = 1,
        padding: tuple[int, ...] | int | str = 0,
        dilation: tuple[int, ...] | int = 1,
        groups: int = 1,
    ) -> Tensor:
        padding = 0 if padding == "valid" else padding
        return self.convolve(x, weight, bias, Convolution(stride, padding, dilation, groups))

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
        """Leaves BatchNorm with the statistics of the batch as it is: that is no linear map of each channel."""
        y = F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
        if training or mean is None or variance is None:
            return y
        factor = (variance + eps).rsqrt() * (1 if weight is None else weight.detach())
        return self.normalise(x, y, mean, factor, bias)

    def _max_pool2d(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Gives all to the largest of each window, as the gradient does."""
        return max_pool(x, *args, **kwargs)

    def _relu(self, x: Tensor, inplace: bool = False) -> Tensor:
        return self.clip(x, 0.0, None)

    def _relu6(self, x: Tensor, inplace: bool = False) -> Tensor:
        return self.clip(x, 0.0, 6.0)

    def _hardtanh(self, x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
        return self.clip(x, min_val, max_val)

    def _add_(self, x: Tensor, other: Tensor) -> Tensor:
        """Adds out of place: `x += other` would overwrite the output of the layer that x comes from."""
        return x + other


def scaled(weight: Tensor, factor: Tensor) -> Tensor:
    """Multiplies weights (K, …) by a factor (K,) for each output."""
    return weight * factor.view(-1, *[1] * (weight.ndim - 1))
