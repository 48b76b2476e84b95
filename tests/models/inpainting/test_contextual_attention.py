import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from whysaid.errors import UserError
from whysaid.models.inpainting.contextual_attention import ContextualAttention, known_patches


def diagonals(scores: Tensor, reach: int) -> Tensor:
    """(L, L) → Σ_d S[i + d, j + d], entry by entry."""
    fused = torch.zeros_like(scores)
    for i in range(len(scores)):
        for j in range(len(scores)):
            for d in range(-reach, reach + 1):
                if 0 <= i + d < len(scores) and 0 <= j + d < len(scores):
                    fused[i, j] += scores[i + d, j + d]
    return fused


def looped(x: Tensor, mask: Tensor, rate: int = 2, scale: float = 10.0, reach: int = 1) -> Tensor:
    """One image (C, H, W), one token and one patch at a time, as published; H and W multiples of the rate."""
    tokens, holes = F.pad(x[:, ::rate, ::rate], (1,) * 4), F.pad(mask[0, ::rate, ::rate], (1,) * 4)
    height, width = x.shape[1] // rate, x.shape[2] // rate
    places = [(i, j) for i in range(height) for j in range(width)]
    patches = [tokens[:, i : i + 3, j : j + 3] for i, j in places]
    known = torch.tensor([float(holes[i : i + 3, j : j + 3].sum() == 0) for i, j in places]).to(x)
    scores = torch.stack([torch.stack([(q * k).sum() / max(k.norm(), 1e-4) for k in patches]) for q in patches])
    by_column = torch.tensor([i * width + j for j in range(width) for i in range(height)])
    scores = diagonals(scores, reach)[by_column][:, by_column]
    scores = diagonals(scores, reach)[by_column.argsort()][:, by_column.argsort()]
    weights = (scores * known * scale).softmax(1) * known
    edge = rate // 2
    source = F.pad(x, (edge,) * 4)
    out = torch.zeros_like(source)
    for (i, j), row in zip(places, weights, strict=True):
        for (k, n), weight in zip(places, row, strict=True):
            copied = source[:, rate * k : rate * k + 2 * rate, rate * n : rate * n + 2 * rate]
            out[:, rate * i : rate * i + 2 * rate, rate * j : rate * j + 2 * rate] += weight * copied
    return out[:, edge:-edge, edge:-edge] / 4


def example(height: int = 8, width: int = 12) -> tuple[Tensor, Tensor]:
    """Features of three images and a mask for each."""
    torch.manual_seed(0)
    x = torch.randn(3, 4, height, width, dtype=torch.double)
    masks = torch.zeros(3, 1, height, width, dtype=torch.double)
    masks[0, :, 2:5, 3:6] = 1
    masks[1, :, 5:, 8:] = 1
    masks[2, :, :, 5] = 1
    return x, masks


@pytest.mark.parametrize("fuse", [1, 3, 5])
def test_against_a_loop(fuse: int) -> None:
    x, masks = example()
    attended = ContextualAttention(fuse=fuse)(x, masks)
    for image, mask, own in zip(x, masks, attended, strict=True):
        torch.testing.assert_close(own, looped(image, mask, reach=fuse // 2), atol=1e-12, rtol=0)


def test_each_image_has_its_own_mask() -> None:
    x, masks = example()
    x = x[:1].expand(3, -1, -1, -1)
    together = ContextualAttention()(x, masks)
    alone = torch.cat([ContextualAttention()(x[i : i + 1], masks[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1


def test_nothing_is_copied_from_the_hole() -> None:
    """What is known stays as it is; features in the hole are raised: no patch brings them anywhere else."""
    x, masks = example(16, 16)
    constant = torch.ones_like(x)
    masks = F.pad(torch.ones(3, 1, 4, 4, dtype=torch.double), (6, 6, 6, 6))
    raised = constant + 1000 * masks
    copied = ContextualAttention(fuse=1)(raised, masks)
    assert copied.max() <= 1 + 1e-9


def test_all_known_and_all_hidden() -> None:
    x, masks = example()
    assert (ContextualAttention()(x, torch.ones_like(masks)) == 0).all()
    known = ContextualAttention()(x, torch.zeros_like(masks))
    torch.testing.assert_close(known[0], looped(x[0], torch.zeros_like(masks[0])), atol=1e-12, rtol=0)


def test_a_patch_is_known_when_it_touches_no_hole() -> None:
    holes = torch.zeros(1, 1, 4, 5)
    holes[0, 0, 0, 0] = 1
    expected = torch.ones(4, 5)
    expected[:2, :2] = 0
    assert torch.equal(known_patches(holes)[0, 0], expected)


@pytest.mark.parametrize(("cap", "rate"), [(24, 2), (23, 4), (6, 4), (2, 8)])
def test_more_tokens_than_allowed_make_the_grid_coarser(cap: int, rate: int) -> None:
    x, masks = example(8, 12)
    attended = ContextualAttention(max_tokens=cap)(x, masks)
    assert attended.shape == x.shape and math.ceil(8 / rate) * math.ceil(12 / rate) <= cap
    if 12 % rate == 0:
        torch.testing.assert_close(attended[0], looped(x[0], masks[0], rate), atol=1e-12, rtol=0)


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that anything makes."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel() * tensor.element_size())
        return made


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (2160, 3840), (333, 4001)])
def test_a_large_photo_takes_no_more_memory(height: int, width: int) -> None:
    """The features of a 1080p photo are 270 × 480: with every second a token, scores would take 4.2 GB."""
    with FakeTensorMode(), Largest() as largest:  # shapes alone
        x, masks = torch.empty(1, 1, height // 4, width // 4), torch.empty(1, 1, height // 4, width // 4)
        assert ContextualAttention()(x, masks).shape == x.shape
    assert 2000**2 * 4 < largest.largest <= 4096**2 * 4


def test_odd_sizes() -> None:
    torch.manual_seed(0)
    x, masks = torch.randn(2, 3, 7, 9), torch.zeros(2, 1, 7, 9)
    masks[:, :, 3:5, 3:5] = 1
    assert ContextualAttention()(x, masks).shape == x.shape


def test_gradients() -> None:
    x, masks = example(4, 6)
    x = x[:, :2].clone().requires_grad_(True)
    attention = ContextualAttention(scale=1.0)
    assert torch.autograd.gradcheck(lambda features: attention(features, masks), x)


def test_scores_keep_their_precision_in_bfloat16() -> None:
    """Under autocast the features are rounded, but not the scores: the result is that of rounded features."""
    x, masks = example(16, 16)
    x, masks = x.float().bfloat16(), masks.float()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = ContextualAttention()(x, masks)
    exact = ContextualAttention()(x.double(), masks.double())
    assert (mixed.double() - exact).abs().max() < 0.05


def test_one_token_high() -> None:
    torch.manual_seed(0)
    x, masks = torch.randn(1, 2, 2, 12, dtype=torch.double), torch.zeros(1, 1, 2, 12, dtype=torch.double)
    masks[..., 5:7] = 1
    torch.testing.assert_close(ContextualAttention(fuse=5)(x, masks)[0], looped(x[0], masks[0], reach=2))


def test_dead_features_have_a_gradient() -> None:
    x = torch.zeros(1, 2, 8, 8, requires_grad=True)
    ContextualAttention()(x, torch.zeros(1, 1, 8, 8)).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("settings", [{"rate": 3}, {"rate": 0}, {"fuse": 2}])
def test_bad_settings(settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match="even rate and an odd fuse"):
        ContextualAttention(**settings)  # type: ignore[arg-type]
