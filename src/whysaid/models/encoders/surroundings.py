"""What is around a place, beside what is at it.

B batch, C channels of the input, W channels of what is said about surroundings, H × L the grid.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

NEAR = 5
"""Side of the square that counts as near, places."""

SIDES = 5
"""Surroundings of a place: the square, and the half-planes left of it, right of it, above it and below it."""


class Surroundings(nn.Module):
    """Appends to each place the maxima of W learnt features near it and in the four half-planes beside it: left of it,
    right of it, above it, below it. A single look at the ball then tells what is left of the ball.

    It is the corner pooling of Law & Deng 2018 (CornerNet, Eq. 1–2) over half-planes instead of rows and columns.

    Args:
        channels: C.
        width: W.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, L), ≥ 0 → (B, C + 5 W, H, L), ≥ 0; a half-plane beyond the border holds zeros."""
        reduced = self.reduce(x)
        columns, rows = _before(reduced.amax(2)), _before(reduced.amax(3))
        around = [part.unsqueeze(2) for part in columns] + [part.unsqueeze(3) for part in rows]
        near = max_pool2d(reduced, NEAR, 1, NEAR // 2)
        return torch.cat([x, near, *(part.expand_as(reduced) for part in around)], 1)


def _before(line: Tensor) -> tuple[Tensor, Tensor]:
    """The maxima of all entries before each of a line (B, W, places), and of all behind it; 0 where there are none."""
    places = torch.arange(line.shape[2], device=line.device)
    earlier = (places < places.unsqueeze(1)).to(line)  # [place, other]
    others = line.unsqueeze(2)
    return (others * earlier).amax(3), (others * earlier.T).amax(3)
