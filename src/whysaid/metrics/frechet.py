"""Fréchet distance of pictures under a feature network, which has to be named beside every figure.

B batch, N pictures, D features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.image.fid import FrechetInceptionDistance

from whysaid.models.encoders.encoder import Encoder


class PooledFeatures(nn.Module):
    """The mean over the regions of an image encoder, frozen, in evaluation mode.

    Args:
        encoder: with weights of its own.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Name of the network, to stand beside the distance."""
        return f"{type(self.encoder).__name__}, {self.encoder.dim} features"

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], any size → (B, D)."""
        how = self.encoder.preprocessing
        resized = F.interpolate(pixels.float(), (how.size, how.size), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (resized.new_tensor(values).view(-1, 1, 1) for values in (how.mean, how.std))
        return self.encoder((resized - mean) / std).values.mean(1)


class _Given(nn.Module):
    """Features that are there already, in the place of a network."""

    def __init__(self, dim: int):
        super().__init__()
        self.num_features = dim

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) of features (N, D) of at least two pictures each; torchmetrics' own."""
    # the features of all processes are here already, and the others are elsewhere: it must not wait for them
    distance = FrechetInceptionDistance(feature=_Given(real.shape[1]), sync_on_compute=False)
    distance.update(real.double(), real=True)
    distance.update(fake.double(), real=False)
    return float(distance.compute())
