"""The features of pictures beside those of the pictures that are none.

B images.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from whysaid.data.batch import rows_of_both
from whysaid.decoding.shrink import mapped


class OneForAll:
    """The features of a ∅ that is the same for all pictures, as a batch of one, which stays when pictures leave."""

    def __init__(self, features: Any):
        self.features = features

    def of(self, images: int) -> Any:
        """The same features for so many pictures, as views."""
        return mapped(self.features, lambda part: part.expand(images, *part.shape[1:]))


@dataclass
class Pairs:
    """What decoders get in place of features: those of B pictures, `present`, and as many of ∅, `absent`; or one ∅ for
    all of them. `shown`: (B, K) what a probe says of the pictures, or None."""

    present: Any
    absent: Any
    shown: Tensor | None = None

    def __len__(self) -> int:
        return len(self.present)

    @property
    def apart(self) -> tuple[Any, Any]:
        """Features of B pictures, and of as many ∅."""
        absent = self.absent
        return self.present, absent.of(len(self)) if isinstance(absent, OneForAll) else absent

    @cached_property
    def both(self) -> Any:
        """Features of 2B images, the present ones first, so that both branches are one batch."""
        return joined(*self.apart)


def joined(first: Any, second: Any) -> Any:
    """One batch of two: dataclasses of tensors with one row per image, nested or not.

    A mask that only one of the two has is all True for the other.
    """
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        first = torch.ones_like(second) if first is None else first
        second = torch.ones_like(first) if second is None else second
        return rows_of_both(first, second)
    if isinstance(first, tuple):
        return tuple(joined(*members) for members in zip(first, second, strict=True))
    if not is_dataclass(first) or isinstance(first, type):
        return first
    parts = {field.name: joined(getattr(first, field.name), getattr(second, field.name)) for field in fields(first)}
    return replace(first, **parts)


def halves(features: Any) -> tuple[Any, Any]:
    """The features of the first and of the second half of a batch's images, as views."""
    images = len(features) // 2
    return mapped(features, lambda part: part[:images]), mapped(features, lambda part: part[images:])
