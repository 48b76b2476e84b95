"""Convolutions that learn which of their inputs are valid (Yu et al. 2019, Eq. 3).

B batch, C channels, H, W pixels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]

GAIN = 2.2
"""Of the weights at first: unit variance stays unit variance through convolution, ELU and gate. With PyTorch's own
initialisation each layer leaves a sixteenth of it, and a network of sixteen layers begins by seeing nothing."""

LAYOUT = torch.channels_last
"""Of all features in memory: `tests.benchmarks.inpainting` compares it with the plain one."""


class GatedConvolution(nn.Module):
    """φ(a)·σ(b), where a and b are the two halves of one convolution of 2·`out_channels` channels.

    Args:
        in_channels, out_channels: C before and after; the papers' code writes twice as many, both halves together.
        kernel: side, odd.
        stride: 2 halves H and W.
        dilation: of the kernel.
        activation: φ; ELU in the paper.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Activation = F.elu,
    ):
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.convolution = nn.Conv2d(in_channels, 2 * out_channels, kernel, stride, padding, dilation)
        self.activation = activation
        nn.init.normal_(self.convolution.weight, std=GAIN / math.sqrt(in_channels * kernel**2))
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) → (B, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)."""
        # Channels last is quicker in the convolution; its halves have to be copied, or what follows is slow on them.
        features, gates = (half.contiguous(memory_format=LAYOUT) for half in self.convolution(x).chunk(2, 1))
        return self.activation(features) * torch.sigmoid(gates)


class GatedUpsampling(GatedConvolution):
    """Twice the size by nearest neighbours, then a gated convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) → (B, out_channels, 2H, 2W)."""
        return super().forward(F.interpolate(x, scale_factor=2.0))
