"""Dropout whose noise costs a bit or a byte an element, where `nn.Dropout` draws a random number for each."""

import torch
from torch import Tensor, nn

LEVELS = 256
"""Values of a byte."""


class Dropout(nn.Dropout):
    """`nn.Dropout`; other probabilities than 0.5 are taken to the nearest 1/256."""

    def forward(self, x: Tensor) -> Tensor:
        """x (…), any shape; in training x / (1 − p) with probability 1 − p, else 0."""
        dropped = round(self.p * LEVELS)
        if not self.training or dropped == 0:
            return x
        if self.p == 0.5:
            factors = fair_coins(x.shape, x.device).mul_(2).to(x.dtype)  # doubled as bytes: a quarter of the memory
        else:
            kept = random_bytes(x.numel(), x.device).view(x.shape) >= dropped
            factors = kept.to(x.dtype).mul_(LEVELS / max(1, LEVELS - dropped))
        return x * factors if x.requires_grad else factors.mul_(x)


def fair_coins(shape: torch.Size, device: torch.device) -> Tensor:
    """Independent uint8 0 and 1 of equal probability, of a shape: eight from each random byte."""
    octets = random_bytes(-(-shape.numel() // 8), device)
    bits = torch.stack([(octets >> bit).bitwise_and_(1) for bit in range(8)])
    return bits.flatten()[: shape.numel()].view(shape)


def random_bytes(number: int, device: torch.device) -> Tensor:
    """Independent uint8, of equal probability each."""
    drawn = torch.empty(-(-number // 8), dtype=torch.int64, device=device).random_(-(2**63), None)
    return drawn.view(torch.uint8)[:number]
