"""SN-PatchGAN: a judge of every patch (Yu et al. 2019, §3.3).

B batch, H, W pixels.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from whysaid.models.inpainting.gated_convolution import LAYOUT


class Discriminator(nn.Module):
    """5 × 5 convolutions of stride 2 with spectral normalisation and LeakyReLU 0.2, on the image and its mask.

    Args:
        widths: channels of each; published: 64, 128, 256, 256, 256, 256.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 256, 256, 256)):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((4, *widths)):
            layers += [spectral_norm(nn.Conv2d(before, after, 5, 2, 2)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [−1, 1] and masks (B, 1, H, W) → a score for each of N patches (B, N): high is real.

        In training mode each call takes a step of the power iteration behind the spectral norms.
        """
        judged = torch.cat([images, masks.to(images)], 1).contiguous(memory_format=LAYOUT)
        scores: Tensor = self.layers(judged)
        return scores.flatten(1)
