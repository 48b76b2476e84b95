"""The coarse-to-fine generator of DeepFill v2 (Yu et al. 2019, Fig. 3).

B batch, H, W pixels, h = H / 4, w = W / 4 features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.errors import UserError
from whysaid.models.inpainting.contextual_attention import ContextualAttention
from whysaid.models.inpainting.gated_convolution import LAYOUT, GatedConvolution, GatedUpsampling

MULTIPLE = 8
"""Sides of the images inside the generator: two halvings, and one more in the attention."""

PIXELS = 2**15
"""Of the images that a processor completes at once: more leave its caches, and eight objects of a photo take 1.5
times as long in one batch as one by one. An accelerator gets all of them."""

Widths = tuple[int, int, int]


class Inpainted(NamedTuple):
    """(B, 3, H, W) in [−1, 1]: both networks' whole images, and the image itself with `fine` in its hole."""

    coarse: Tensor
    fine: Tensor
    completed: Tensor


class Generator(nn.Module):
    """A coarse network, then a refinement with a branch of dilated convolutions and one of contextual attention.

    Args:
        widths: channels at full, half and quarter resolution; published: 24, 48, 96 (written 48, 96, 192: a gated
            convolution halves them).
        dilations: of the convolutions in the middle of both networks; published: 2, 4, 8, 16.
        attention: rebuilds features of the hole from known ones.
    """

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 96),
        dilations: Sequence[int] = (2, 4, 8, 16),
        attention: ContextualAttention | None = None,
    ):
        super().__init__()
        if len(widths) != 3 or min(widths) < 2:
            raise UserError(f"the generator has three widths of at least 2 channels, not {list(widths)}")
        full, half, quarter = widths
        sizes: Widths = (full, half, quarter)
        self.coarse = nn.Sequential(
            *_encoder(5, (full, half, half, quarter)),
            *(GatedConvolution(quarter, quarter) for _ in range(2)),
            *_dilated(quarter, dilations),
            *(GatedConvolution(quarter, quarter) for _ in range(2)),
            *_decoder(sizes),
        )
        self.dilated_branch = nn.Sequential(
            *_encoder(3, (full, full, half, half)),
            *(GatedConvolution(a, quarter) for a in (half, quarter)),
            *_dilated(quarter, dilations),
        )
        self.before_attention = nn.Sequential(
            *_encoder(3, (full, full, half, quarter)),
            GatedConvolution(quarter, quarter),
            GatedConvolution(quarter, quarter, activation=F.relu),
        )
        self.attention = attention or ContextualAttention()
        self.after_attention = nn.Sequential(*(GatedConvolution(quarter, quarter) for _ in range(2)))
        self.decoder = nn.Sequential(
            GatedConvolution(2 * quarter, quarter), GatedConvolution(quarter, quarter), *_decoder(sizes)
        )

    def forward(self, images: Tensor, masks: Tensor) -> Inpainted:
        """Images (B, 3, H, W) in [−1, 1] of any size; masks (B, 1, H, W), 1 = hole, 0 elsewhere.

        What is in the hole of an image has no influence. Sides that are no multiples of 8 are continued at the right
        and below by their last pixels, holes with them, and cut again.
        """
        height, width = images.shape[-2:]
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        if not any(padding):
            return self._inpaint(images, masks)
        padded = self._inpaint(*(F.pad(x, padding, mode="replicate") for x in (images, masks)))
        return Inpainted(*(made[..., :height, :width] for made in padded))

    def _inpaint(self, images: Tensor, masks: Tensor) -> Inpainted:
        known = (images * (1 - masks)).contiguous(memory_format=LAYOUT)
        coarse = torch.tanh(self.coarse(torch.cat([known, torch.ones_like(masks), masks], 1)))
        filled = known + coarse * masks
        attended = self.before_attention(filled)
        holes = F.interpolate(masks, size=attended.shape[-2:])
        attended = self.after_attention(self.attention(attended, holes.to(attended)))
        fine = torch.tanh(self.decoder(torch.cat([self.dilated_branch(filled), attended], 1)))
        return Inpainted(coarse, fine, known + fine * masks)

    @torch.no_grad()
    def complete(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images of any size and number with their holes filled; all other pixels come back as they were.

        Args:
            images: (B, 3, H, W) in [−1, 1].
            masks: (B, 1, H, W), bool or 0 / 1, true = hole. An empty one gives its image back.

        Raises UserError where shapes differ or a mask leaves nothing known.
        """
        holes = _checked(images, masks)
        if not bool(holes.any()):
            return images.clone()
        at_once = max(1, PIXELS // holes[0].numel()) if images.device.type == "cpu" else len(images)
        parts = zip(images.split(at_once), holes.split(at_once), strict=True)
        fine = torch.cat([self.forward(*part).fine for part in parts])
        return torch.where(holes.bool(), fine.to(images), images)


def _checked(images: Tensor, masks: Tensor) -> Tensor:
    """The masks as numbers like the images; UserError where they do not go together."""
    batch, *_, height, width = images.shape
    if tuple(masks.shape) != (batch, 1, height, width):
        raise UserError(
            f"masks of {tuple(masks.shape)} do not fit images of {tuple(images.shape)}: "
            f"make them {(batch, 1, height, width)}"
        )
    holes = masks.to(images)
    if bool((masks.flatten(1) != 0).all(1).any()):
        raise UserError("a mask covers its whole image: leave something known to complete it from")
    return holes


def _encoder(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    """5 × 5 at full resolution, down, one more, down: four gated convolutions."""
    first, second, third, fourth = widths
    return [
        GatedConvolution(channels, first, 5),
        GatedConvolution(first, second, stride=2),
        GatedConvolution(second, third),
        GatedConvolution(third, fourth, stride=2),
    ]


def _dilated(width: int, dilations: Sequence[int]) -> list[nn.Module]:
    return [GatedConvolution(width, width, dilation=dilation) for dilation in dilations]


def _decoder(widths: Widths) -> list[nn.Module]:
    """Layers up to half and to full resolution, then to colours, which have no gate."""
    full, half, quarter = widths
    return [
        GatedUpsampling(quarter, half),
        GatedConvolution(half, half),
        GatedUpsampling(half, full),
        GatedConvolution(full, full // 2),
        nn.Conv2d(full // 2, 3, 3, padding=1),
    ]
