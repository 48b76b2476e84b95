import torch

from tests.decoding.tiny import photos
from whysaid.decoding.shrink import keep_images, rows_of, survivors
from whysaid.models.ensemble import EnsembleFeatures
from whysaid.models.word_captioner import Features


def test_waits_until_a_quarter_is_done():
    assert survivors(torch.tensor([True] * 4)) is None
    assert survivors(torch.tensor([True] * 4 + [False])) is None
    assert survivors(torch.tensor([True, False, True, True])).tolist() == [0, 2, 3]
    assert survivors(torch.tensor([False, False])).tolist() == []


def test_rows_are_image_major():
    assert rows_of(torch.tensor([0, 2]), 3).tolist() == [0, 1, 2, 6, 7, 8]


def test_keeps_every_tensor_of_nested_features():
    inner = photos(4)
    without = Features(inner.values, inner.keys, inner.pooled)
    kept = keep_images(EnsembleFeatures((inner, without)), torch.tensor([3, 1]))
    assert len(kept) == 2 and kept.members[1].mask is None
    assert torch.equal(kept.members[0].mask, inner.mask[[3, 1]])
    assert torch.equal(kept.members[1].keys, inner.keys[[3, 1]])
