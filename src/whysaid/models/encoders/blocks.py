"""Blocks of a narrow VGG: what small networks read pixels with."""

from collections.abc import Sequence

from torch import nn


def pooled_blocks(widths: Sequence[int]) -> list[nn.Module]:
    """Makes blocks of 3 × 3 convolution, BatchNorm and ReLU, with a max-pool between blocks.

    Pixels (B, 3, H, W) become (B, widths[−1], H / s, W / s) ≥ 0, where s is 2 to the number of pools.

    Args:
        widths: channels of each block.
    """
    layers: list[nn.Module] = []
    for channels, width in zip((3, *widths), widths, strict=False):
        if layers:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return layers
