"""Dropout whose noise costs a bit or a byte an element, where `nn.Dropout` draws a random number for each."""

import torch
from torch import Tensor, nn

LEVELS = 256
"""Values of a byte."""

PIECE = 2**21
"""Elements at a time where no gradient is asked for, so that their noise stays in the cache."""

_LOWEST = 0x0101010101010101
"""The lowest bit of each byte of a word."""


class Dropout(nn.Dropout):
    """`nn.Dropout`; other probabilities than 0.5 are taken to the nearest 1/256."""

    def forward(self, x: Tensor) -> Tensor:
        """x (…), any shape; in training x / (1 − p) with probability 1 − p, else 0."""
        dropped = round(self.p * LEVELS)
        if not self.training or dropped == 0:
            return x
        if x.requires_grad:
            return x * _factors(x, dropped)
        thinned = torch.empty_like(x, memory_format=torch.contiguous_format)
        for piece, some in zip(thinned.view(-1).split(PIECE), x.flatten().split(PIECE), strict=True):
            torch.mul(some, _factors(some, dropped), out=piece)
        return thinned


def _factors(x: Tensor, dropped: int) -> Tensor:
    """What x is multiplied by, of its shape and kind; `dropped` of `LEVELS` are 0 on average."""
    if 2 * dropped == LEVELS:
        return fair_coins(x.shape, x.device).to(x.dtype)
    kept = random_bytes(x.numel(), x.device).view(x.shape) >= dropped
    return kept.to(x.dtype).mul_(LEVELS / max(1, LEVELS - dropped))


def fair_coins(shape: torch.Size, device: torch.device) -> Tensor:
    """Independent uint8 0 and 2 of equal probability, of a shape: the bits of 64-bit words, eight bytes at once."""
    words = random_words(-(-shape.numel() // 64), device)
    bits = torch.empty(8, len(words), dtype=torch.int64, device=device)
    for place, bit in enumerate(bits):
        torch.bitwise_right_shift(words, place, out=bit)
    return bits.bitwise_and_(_LOWEST).bitwise_left_shift_(1).view(torch.uint8).flatten()[: shape.numel()].view(shape)


def random_bytes(number: int, device: torch.device) -> Tensor:
    """Independent uint8, of equal probability each."""
    return random_words(-(-number // 8), device).view(torch.uint8)[:number]


def random_words(number: int, device: torch.device) -> Tensor:
    """Independent int64, of equal probability each."""
    return torch.empty(number, dtype=torch.int64, device=device).random_(-(2**63), None)
