"""Images whose captions are complete leave the batch.

b images still in the batch, M rows per image.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor, arange

SHARE = 0.75
"""Dropping images copies the features of the others, so it waits until at most this share of the batch is left: all
copies of one decoding together are then at most 0.75 / (1 − 0.75) = 3 times the features, and usually far less."""


def survivors(alive: Tensor) -> Tensor | None:
    """alive (b,) bool → indices of the images to go on with, or None while dropping the others does not pay."""
    count = int(alive.sum())
    return alive.nonzero().squeeze(1) if count <= SHARE * len(alive) else None


def rows_of(images: Tensor, per_image: int) -> Tensor:
    """Indices (b·M,) of the rows that belong to images (b,), image-major."""
    return (images[:, None] * per_image + arange(per_image, device=images.device)).flatten()


def keep_images(features: Any, images: Tensor) -> Any:
    """The features of the given images (b,)."""
    return mapped(features, lambda part: part.index_select(0, images))


def mapped(features: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Features with every tensor changed: a dataclass whose tensors have one row per image, nested or not."""
    if isinstance(features, Tensor):
        return change(features)
    if isinstance(features, tuple):
        return tuple(mapped(member, change) for member in features)
    if not is_dataclass(features) or isinstance(features, type):
        return features
    parts = {field.name: mapped(getattr(features, field.name), change) for field in fields(features)}
    return replace(features, **parts)
