"""ResNet-50, 101 and 152.

B batch, R regions, D features.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import ResNet50_Weights, ResNet101_Weights, ResNet152_Weights
from torchvision.models import resnet as torchvision_resnet

from whysaid.data.images import imagenet_preprocessing
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.encoders.weights import load_weights

# the first published weights: the second set's longer training classifies better, but its features transfer worse
_DEPTHS = {
    50: ((3, 4, 6, 3), ResNet50_Weights.IMAGENET1K_V1),
    101: ((3, 4, 23, 3), ResNet101_Weights.IMAGENET1K_V1),
    152: ((3, 8, 36, 3), ResNet152_Weights.IMAGENET1K_V1),
}


class Bottleneck(torchvision_resnet.Bottleneck):
    """torchvision's block with one ReLU for each use and nothing in place, so that explanations can follow it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        del self.relu
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, 4·planes, H / stride, W / stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu3(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(Encoder):
    """torchvision's ResNet up to `layer4`: 2048 × 7 × 7 at 224 px, 14 × 14 at 448 px.

    Args:
        depth: 50, 101 or 152.
        weights: `imagenet` (torchvision's download), the path of a `.pth` or `.safetensors` file, or None (random).
        image_size: pixels, a multiple of 32.
    """

    def __init__(self, depth: int = 101, weights: str | None = "imagenet", image_size: int = 224):
        super().__init__()
        if depth not in _DEPTHS:
            raise UserError(f"there is no ResNet-{depth} here: depth is one of {', '.join(map(str, _DEPTHS))}")
        if image_size % 32:
            raise UserError(f"resnet takes an image_size that is a multiple of 32, not {image_size}")
        blocks, published = _DEPTHS[depth]
        self.preprocessing = imagenet_preprocessing(image_size)
        network = torchvision_resnet.ResNet(Bottleneck, list(blocks), num_classes=1)
        self.conv1, self.bn1, self.relu, self.maxpool = network.conv1, network.bn1, nn.ReLU(), network.maxpool
        self.layer1, self.layer2 = network.layer1, network.layer2
        self.layer3, self.layer4 = network.layer3, network.layer4
        self.dim = 2048
        self.grid = (image_size // 32, image_size // 32)
        load_weights(self, weights, published.get_state_dict, head=("fc.",))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W), sides multiples of 32, ImageNet-normalised → Regions (B, R, 2048), ≥ 0."""
        images = images.contiguous(memory_format=torch.channels_last)  # faster on a CPU
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return Regions(x.flatten(2).transpose(1, 2))
