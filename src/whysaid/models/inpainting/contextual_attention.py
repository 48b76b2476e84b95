"""Contextual attention: each place in the hole is written with patches copied from what is known (Yu et al. 2018).

B batch, C channels, H, W of the features, h × w tokens of the grid that is attended on, L = h·w, r the grid's rate.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.errors import UserError

KERNEL = 3
"""Side of the patches that are compared, in tokens."""

SMALLEST_NORM = 1e-4


class ContextualAttention(nn.Module):
    """Compares 3 × 3 patches of the features at half resolution, and copies 4 × 4 patches at stride 2 of the features.

    Everything is a batched matrix product of single features, for all images together, and sums of shifted products:
    the score of two patches is that of their tokens, summed over the nine shifts of both; where copied patches overlap,
    their weights are summed over the shifts that bring them there; and the fusion of neighbours shifts along diagonals.

    Args:
        rate: tokens are every `rate`-th feature, even; published: 2. Copied patches are 2·`rate` on a side.
        scale: of the softmax; published: 10.
        fuse: side of the identity kernel that favours copying neighbours together; odd, 1 is off, published: 3.
        max_tokens: L at most, for the scores of an image are L × L; a larger image is attended on a coarser grid, of
            `rate` times a whole number.
    """

    def __init__(self, rate: int = 2, scale: float = 10.0, fuse: int = 3, max_tokens: int = 4096):
        super().__init__()
        if rate < 2 or rate % 2 or fuse < 1 or not fuse % 2:
            raise UserError(f"contextual attention takes an even rate and an odd fuse, not {rate} and {fuse}")
        self.rate, self.scale, self.fuse, self.max_tokens = rate, scale, fuse, max_tokens

    def forward(self, x: Tensor, masks: Tensor) -> Tensor:
        """Features rebuilt from known patches.

        Args:
            x: (B, C, H, W).
            masks: (B, 1, H, W), 1 = hole, each image its own. Only patches without a hole are copied; where there is
                none, an image gets zeros.

        Returns (B, C, H, W).
        """
        height, width = x.shape[-2:]
        rate = self._rate(height, width)
        right, below = -width % rate, -height % rate
        if right or below:  # beyond the edge there is nothing to copy
            x = F.pad(x, (0, right, 0, below), mode="replicate")
            masks = F.pad(masks, (0, right, 0, below), value=1.0)
        with torch.autocast(x.device.type, enabled=False):  # scores are large, and differences of them matter
            tokens = x[..., ::rate, ::rate].to(torch.promote_types(x.dtype, torch.float32))
            weights = self._weights(tokens, known_patches(masks[..., ::rate, ::rate].to(tokens)))
        return copied(x, weights, rate)[..., :height, :width]

    def _rate(self, height: int, width: int) -> int:
        rate = self.rate
        while math.ceil(height / rate) * math.ceil(width / rate) > self.max_tokens:
            rate += self.rate
        return rate

    def _weights(self, tokens: Tensor, known: Tensor) -> Tensor:
        """Tokens (B, C, h, w), known patches (B, 1, h, w) → weights (B, w, h, w, h) of patches (last two) at tokens."""
        scores = patch_products(tokens)
        norms = scores.diagonal(dim1=1, dim2=2).clamp_min(SMALLEST_NORM**2).sqrt()
        scores = fused(scores / norms[:, None], self.fuse)  # row by row, then column by column
        height, width = tokens.shape[-2:]
        scores = scores.view(-1, height, width, height, width).permute(0, 2, 1, 4, 3).reshape(scores.shape)
        scores = fused(scores, self.fuse)
        copyable = known.transpose(2, 3).reshape(-1, 1, height * width)
        # Masked scores are 0 and not −∞ as published: where nothing is alike, the weights fade instead of being forced.
        weights = (scores * (copyable * self.scale)).softmax(-1) * copyable
        return weights.view(-1, width, height, width, height)


def known_patches(holes: Tensor) -> Tensor:
    """(B, 1, h, w), 1 = hole → the same shape: 1 where the 3 × 3 patch around a token touches no hole, else 0."""
    touched = F.max_pool2d(holes, KERNEL, stride=1, padding=KERNEL // 2)
    return (touched == 0).to(holes)


def patch_products(tokens: Tensor) -> Tensor:
    """(B, C, h, w) → (B, L, L): products of the 3 × 3 patches around any two tokens, zero beyond the edge."""
    height, width = tokens.shape[-2:]
    flat = tokens.flatten(2)
    products = torch.bmm(flat.transpose(1, 2), flat).view(-1, height, width, height, width)
    for along in ((1, 3), (2, 4)):
        products = shifted_sum(products, along, (-1, 1))
    return products.reshape(-1, height * width, height * width)


def fused(scores: Tensor, size: int) -> Tensor:
    """The convolution of each matrix of (B, L, L) with an identity kernel: Σ_d S[i + d, j + d], zero outside."""
    reach = size // 2
    return shifted_sum(scores, (1, 2), [step for step in range(-reach, reach + 1) if step])


def copied(x: Tensor, weights: Tensor, rate: int) -> Tensor:
    """The mean of what patches put at each place.

    A patch is 2r × 2r, centred on the r × r features of its token: half of it reaches into the neighbours. So the
    upper half of the features of a token is written by its own patch and by that of the token above, the lower half by
    its own and by that of the token below; and the same from left to right.

    Args:
        x: (B, C, H, W), H = r·h, W = r·w.
        weights: (B, w, h, w, h), those of patches (last two) at tokens.

    Returns (B, C, H, W).
    """
    batch, channels = x.shape[:2]
    half, (columns, rows) = rate // 2, weights.shape[1:3]
    quarters = x.reshape(batch, channels, rows, 2, half, columns, 2, half)
    written = []
    for lower in (0, 1):
        from_rows = shifted_sum(weights, (2, 4), (-1 if lower else 1,))
        for right in (0, 1):
            both = shifted_sum(from_rows, (1, 3), (-1 if right else 1,)).flatten(3).flatten(1, 2)
            source = quarters[:, :, :, lower, :, :, right].permute(0, 4, 2, 1, 3, 5).flatten(3).flatten(1, 2)
            written.append(torch.bmm(both, source.to(both)))
    parts = torch.stack(written).view(2, 2, batch, columns, rows, channels, half, half)
    return parts.permute(2, 5, 4, 0, 6, 3, 1, 7).reshape(x.shape) / 4


def shifted_sum(x: Tensor, along: Sequence[int], steps: Iterable[int]) -> Tensor:
    """`x`, and `x` moved by each step along all of these dimensions together; what leaves is dropped, zeros follow."""
    total = x.clone()
    for step in steps:
        target, source = total, x
        for dim in along:
            length = x.shape[dim] - abs(step)
            if length <= 0:
                break
            target, source = target.narrow(dim, max(step, 0), length), source.narrow(dim, max(-step, 0), length)
        else:
            target += source
    return total
