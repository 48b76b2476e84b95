"""VGG16, the encoder of the papers.

B batch, R regions, D features.
"""

import torch
from torch import Tensor, nn
from torchvision.models import VGG16_Weights
from torchvision.models.vgg import cfgs, make_layers

from whysaid.data.images import imagenet_preprocessing
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.encoders.weights import load_weights


class VGG16(Encoder):
    """torchvision's VGG16 `features` without the last pool: 512 × 14 × 14 at 224 px (Sun et al. 2020, §4).

    Args:
        weights: `imagenet` (torchvision's download), the path of a `.pth` or `.safetensors` file, or None (random).
        image_size: pixels, a multiple of 16.
    """

    def __init__(self, weights: str | None = "imagenet", image_size: int = 224):
        super().__init__()
        if image_size % 16:
            raise UserError(f"vgg16 takes an image_size that is a multiple of 16, not {image_size}")
        self.preprocessing = imagenet_preprocessing(image_size)
        self.features = make_layers(cfgs["D"], batch_norm=False)[:-1]
        self.dim = 512
        self.grid = (image_size // 16, image_size // 16)
        for module in self.features:
            if isinstance(module, nn.ReLU):
                module.inplace = False  # explanations need the input of every layer
            elif isinstance(module, nn.Conv2d) and weights is None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        imagenet = VGG16_Weights.IMAGENET1K_V1.get_state_dict
        load_weights(self, weights, imagenet, head=("classifier.",), rename=_rename)
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.4 × faster on a CPU

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W), sides multiples of 16, ImageNet-normalised → Regions (B, R, 512), ≥ 0."""
        images = images.contiguous(memory_format=torch.channels_last)
        return Regions(self.features(images).flatten(2).transpose(1, 2))


def _rename(key: str) -> str:
    """Drops the prefix, which files of `vgg16().features` alone do not have."""
    return key if key.startswith(("features.", "classifier.")) else f"features.{key}"
