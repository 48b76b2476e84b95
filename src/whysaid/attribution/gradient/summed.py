"""What a gradient says of a word."""

import torch
from torch import Tensor


def over_embedding(gradient: Tensor) -> Tensor:
    """Sums the gradient (…, E) of embedded words over the embedding: (…).

    Where a model normalises its embedded words (LayerNorm, as BERT does), the parts of the gradient cancel, and what
    their sum leaves is rounding: a sum that has lost half of its digits is set to 0, and says nothing.
    """
    total, size = gradient.sum(-1), gradient.abs().sum(-1)
    lost = min(torch.finfo(gradient.dtype).eps ** 0.5, 0.02)
    return total * (total.abs() > lost * size)
