"""How the map of a word becomes one number."""

import torch
from torch import Tensor

from whysaid.attribution.method import Explanation

BY = ("mean", "max", "mean_abs", "normalised", "region_max")
"""The ways, colours being added before; `normalised`: mean(R / max|R|), which is m − 1 of
LRP-inference (Eq. 11)."""


def score(explanation: Explanation, by: str, row: int, place: int) -> float:
    """The raw map of one word as a number, in one of the ways `BY`."""
    if by == "region_max":
        return float(explanation.regions[row, place].max())
    assert explanation.pixels is not None
    heat: Tensor = explanation.pixels[row, place].detach().double().sum(0)
    if by == "normalised":
        return float(heat.mean() / heat.abs().max().clamp(min=torch.finfo(heat.dtype).tiny))
    return float(heat.max() if by == "max" else heat.mean() if by == "mean" else heat.abs().mean())
