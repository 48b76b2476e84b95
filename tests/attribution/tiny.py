"""Captioners, encoders and rules small enough for loops.

B images, S words of a caption, V vocabulary, R regions, D encoder features.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.vgg import make_layers

from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.lrp.rules import Rule
from whysaid.data.images import Preprocessing
from whysaid.models.adaptive import Adaptive
from whysaid.models.aoa import AoA
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.efficientnet_lite0 import EfficientNetLite0
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.resnet import Bottleneck
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.gridtd import GridTD
from whysaid.models.soft import Soft
from whysaid.models.transformer import Transformer

B, S, V, R, D = 2, 4, 9, 4, 5

CAPTIONERS: dict[str, Callable[[Encoder], Captioner]] = {
    "soft": lambda encoder: Soft(encoder, V, embed_dim=5, hidden_dim=6, attention_dim=4),
    "adaptive": lambda encoder: Adaptive(encoder, V, embed_dim=5, hidden_dim=6, attention_dim=4),
    "gridtd": lambda encoder: GridTD(encoder, V, embed_dim=5, hidden_dim=6, attention_dim=4),
    "aoa": lambda encoder: AoA(encoder, V, embed_dim=5, hidden_dim=6, attention_dim=4, heads=2),
    "aoa_both": lambda encoder: AoA(encoder, V, 5, 6, 4, heads=2, gate_on="both"),
    "aoa_refined": lambda encoder: AoA(encoder, V, 5, 6, 4, heads=2, refiner_layers=2),
    "aoa_both_refined": lambda encoder: AoA(encoder, V, 5, 6, 4, heads=2, gate_on="both", refiner_layers=1),
    "transformer": lambda encoder: Transformer(encoder, V, 6, 7, 4, layers=2, heads=2),
}


class Stack(Encoder):
    """Any convolutional network as an encoder."""

    def __init__(self, dim: int, *layers: nn.Module):
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.dim, self.grid = dim, None
        self.preprocessing = Preprocessing(8, (0.5,) * 3, (0.25,) * 3)

    def forward(self, images: Tensor) -> Regions:
        return Regions(self.features(images).flatten(2).transpose(1, 2))


def vgg() -> Encoder:
    """Two blocks as torchvision makes them, in-place ReLUs included."""
    return Stack(6, *make_layers([4, "M", 6], batch_norm=False))


def resnet() -> Encoder:
    """A stem and two bottlenecks, with and without a projection on the residual branch."""
    down = nn.Sequential(nn.Conv2d(8, 32, 1, bias=False), nn.BatchNorm2d(32))
    stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2, 1)
    return Stack(32, *stem, Bottleneck(8, 8, downsample=down), Bottleneck(32, 8))


ENCODERS: dict[str, tuple[Callable[[], Encoder], int]] = {
    "scenes_cnn": (lambda: ScenesCNN((4, 6), 8), 8),
    "surroundings": (lambda: ScenesCNN((4, 6), 8, 2), 8),
    "vgg": (vgg, 8),
    "resnet": (resnet, 8),
    "efficientnet_lite0": (lambda: EfficientNetLite0(None, fuse=True, image_size=32), 32),
    "efficientnet_lite0_head": (lambda: EfficientNetLite0(None, fuse=False, image_size=32), 32),
}
"""A builder and the images' side, pixels."""


def captioner(name: str, encoder: Encoder | None = None) -> Captioner:
    """In float64, with random biases and BatchNorm statistics, in training mode."""
    torch.manual_seed(0)
    model = CAPTIONERS[name](encoder or RegionFeatures(D)).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def without_biases(model: nn.Module) -> None:
    """Sets every bias to 0, those that folding BatchNorm would make and vectors of places too; raises kernels' means.

    In nets this small, nothing would speak for many an output, and the αβ-rule would have nobody to give to.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if name.endswith(("bias", "running_mean", "positions.weight")):
            nn.init.zeros_(tensor)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data += module.weight.std()


def photos(side: int, number: int = B) -> Tensor:
    """Signed pixels (B, 3, side, side)."""
    return torch.randn(number, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def regions() -> Tensor:
    """(B, R, D), signed."""
    return torch.randn(B, R, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def captions(length: int = S) -> Tensor:
    """Words (B, S) without `<start>`."""
    return torch.randint(3, V, (B, length), generator=torch.Generator().manual_seed(3))


def lrp(rule: Rule | None = None, epsilon: float = 0.01, chunk: int = 4, first: Rule | None = None) -> LRP:
    """One rule for all layers of the encoder, by default α1β0."""
    rule = rule or rules.alpha_beta()
    return LRP(Composite(first or rule, rule, rule), epsilon, chunk)


def sizes(parts: Sequence[Tensor]) -> Tensor:
    """Σ|R| (B, T) over parts (B, T, …)."""
    return torch.stack([part.abs().flatten(2).sum(2) for part in parts]).sum(0)
