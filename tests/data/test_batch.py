"""Batches of pictures."""

import torch

from whysaid.data.batch import Pictures
from whysaid.decoding.contrast.pairs import joined


def test_stored_features_are_joined_under_autocast() -> None:
    """They have half precision, which autocast on a CPU refuses to join; the wider type of the two is kept."""
    stored, computed = torch.ones(2, 3, 4, dtype=torch.half), torch.zeros(1, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        regions = Pictures(regions=stored).joined(Pictures(regions=computed)).regions
        twice = joined(stored, stored)
    assert regions is not None and regions.shape == (3, 3, 4) and regions.dtype == torch.float32
    assert twice.dtype == torch.half
