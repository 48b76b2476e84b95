"""Whether a heat map tells what the model used: patches taken away and given back, and maps compared.

P patches of p × p pixels, row-major; C, H, W image; K steps.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import structural_similarity_index_measure

from whysaid.errors import UserError

Array = NDArray[np.floating]


def ranked_patches(heat: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """Maps (M, H, W) → (M, P) int64, patches in the order of their mean relevance, largest first.

    Equal patches, of which sparse maps have many, come in an order drawn by `generator`: in reading order all of them
    would favour a corner. Raises UserError where p does not divide the image.
    """
    require_patches(heat.shape[-2], heat.shape[-1], patch)
    scores = avg_pool2d(heat[:, None], patch).flatten(1)
    shuffled = torch.stack([torch.randperm(scores.shape[1], generator=generator) for _ in scores])
    return shuffled.gather(1, scores.gather(1, shuffled).argsort(dim=1, descending=True, stable=True))


def require_patches(height: int, width: int, patch: int) -> None:
    """Raises UserError where patches do not fill an image."""
    if patch < 1 or height % patch or width % patch:
        raise UserError(f"patches of {patch} pixels do not fill {height} × {width} images: choose a divisor")


def first_patches(ranking: Tensor, counts: Tensor) -> Tensor:
    """(K, P) bool: the first `counts` (K,) of a ranking (P,)."""
    place = torch.empty_like(ranking)
    place[ranking] = torch.arange(len(ranking))
    return place[None, :] < counts[:, None]


def without_patches(image: Tensor, removed: Tensor, patch: int) -> Tensor:
    """An image (C, H, W) with patches (K, P) bool set to its own mean colour: (K, C, H, W)."""
    height, width = image.shape[-2] // patch, image.shape[-1] // patch
    mask = removed.to(image.device).view(-1, 1, height, width)
    mask = mask.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return torch.where(mask, image.mean((1, 2), keepdim=True), image)


def area_under(curve: Array) -> Array:
    """Area under curves (…, K) over K equal steps from 0 to 1, by trapezoids: a constant curve has its own height."""
    return (curve[..., 1:] + curve[..., :-1]).mean(-1) / 2


def rank_correlation(a: Tensor, b: Tensor) -> Array:
    """Spearman's correlation of maps (M, H, W) pixel by pixel: (M,) in [−1, 1].

    0 where a map is constant: it ranks nothing.
    """
    x, y = (rankdata(t.flatten(1).numpy(), axis=1) for t in (a, b))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    scale = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return np.divide((x * y).sum(1), scale, out=np.zeros(len(x)), where=scale > 0)


def structural_similarity(a: Tensor, b: Tensor) -> Array:
    """SSIM of maps (M, H, W), each first divided by its largest |value|: (M,) at most 1."""
    scaled = [t / t.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(t.dtype).tiny) for t in (a, b)]
    similarity = structural_similarity_index_measure(
        scaled[0][:, None], scaled[1][:, None], data_range=2.0, reduction="none"
    )
    assert isinstance(similarity, Tensor)
    return similarity.reshape(-1).numpy()


def sensitivity(heat: Tensor, disturbed: Tensor) -> Array:
    """Largest relative change of maps (M, H, W) under small noise, (D, M, H, W) (Yeh et al. 2019): (M,) ≥ 0.

    0 where a map and all its disturbed versions are 0.
    """
    change = (disturbed - heat).flatten(2).norm(dim=2).amax(0)
    size = heat.flatten(1).norm(dim=1)
    return torch.where(change == 0, change, change / size).numpy()
