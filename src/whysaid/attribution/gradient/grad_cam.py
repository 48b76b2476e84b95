"""Grad-CAM: which regions' features, weighed as the word needs them, are strong (Selvaraju et al. 2017).

B images, S input tokens, T explained words, R regions, D encoder features. Words are given the gradient itself, summed
over the embedding.
"""

import torch
from torch import Tensor

from whysaid.attribution.gradient.relus import ReLURule
from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.gradient.summed import over_embedding
from whysaid.attribution.grid import on_pixels
from whysaid.attribution.method import Explanation
from whysaid.models.attention import masked_mean


class GradCam(SharedPassMethod):
    """ReLU(Σ_d w_d a_d), w_d the mean gradient of feature d over the real regions (Eq. 1–2), bilinear on the pixels.

    Args:
        chunk: words explained at once, which caps the memory.

    Raises:
        UserError: there are images, but regions have no grid.
    """

    signed = False

    def __init__(self, chunk: int = 4):
        self.chunk = chunk

    def explain(self, passes: SharedPasses) -> Explanation:
        cam = class_activation(passes)
        return Explanation(on_pixels(cam, passes), cam, over_embedding(passes.gradients.words), passes.zero_residual)


class GuidedGradCam(GradCam):
    """Guided Backprop where Grad-CAM is strong: the product of the two, on pixels and on regions.

    Of the numbers, the magnitude counts, as of Guided Backprop's.

    Args:
        chunk: words explained at once, which caps the memory.
        dtype: see `SharedPassMethod`.

    Raises:
        UserError: there are no images, or regions have no grid, or the encoder has no ReLU.
    """

    def __init__(self, chunk: int = 4, dtype: str | None = None):
        super().__init__(chunk)
        self.dtype = dtype

    def explain(self, passes: SharedPasses) -> Explanation:
        words, regions = passes.gradients
        cam, guided = class_activation(passes), passes.pixels(ReLURule.GUIDED)
        cam_on_pixels = on_pixels(cam, passes)
        assert cam_on_pixels is not None
        return Explanation(guided * cam_on_pixels, cam * regions.sum(-1), over_embedding(words), passes.zero_residual)


def class_activation(passes: SharedPasses) -> Tensor:
    """Gives Σ_d w_d a_d held above 0, (B, T, R); 0 on regions that are masked or have no place in the image."""
    gradients, mask = passes.gradients.regions, _placed(passes)
    repeated = None if mask is None else mask.repeat_interleave(gradients.shape[1], 0)
    weights = masked_mean(gradients.flatten(0, 1), repeated).unflatten(0, gradients.shape[:2])
    cam = (weights @ passes.regions.transpose(1, 2)).clamp(min=0)
    return cam if mask is None else cam * mask.unsqueeze(1)


def _placed(passes: SharedPasses) -> Tensor | None:
    """Marks (N, R) the real regions that have a place in the image; None where all have."""
    mask, prefix = passes.encoder_pass.mask, passes.model.encoder.prefix_tokens
    if prefix == 0:
        return mask
    placed = torch.ones(passes.regions.shape[:2], dtype=torch.bool, device=passes.regions.device)
    placed[:, :prefix] = False
    return placed if mask is None else placed & mask
