"""What is put where an object was.

S side of a picture, pixels in [0, 1].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from whysaid.data.removal.objects import Removal
from whysaid.errors import UserError

Inpaint = Callable[[Tensor, Tensor], Tensor]
"""Images (N, 3, H, W) in [0, 1] and masks (N, 1, H, W), 1 = hole → the images with their holes filled."""


class Fill(ABC):
    """Fills the hole of a picture; the same draw of `rng` fills it in the same way."""

    everywhere: bool = True
    """Whether it can fill a hole through which no object left."""

    @property
    @abstractmethod
    def mark(self) -> str:
        """What tells this fill from any other that would give other pictures."""

    @abstractmethod
    def __call__(self, image: Tensor, image_id: int, removal: Removal, rng: np.random.Generator) -> Tensor:
        """Gives the picture (3, S, S) without what left through the hole; outside of the hole it is the same."""


class Inpainted(Fill):
    """A fill that looks at the picture around the hole.

    Args:
        inpaint: fills holes.
    """

    def __init__(self, inpaint: Inpaint):
        self.inpaint = inpaint

    @property
    def mark(self) -> str:
        """Name of the function, or what an inpainter with weights says of itself."""
        inpaint = self.inpaint.func if isinstance(self.inpaint, partial) else self.inpaint
        return str(getattr(inpaint, "mark", getattr(inpaint, "__name__", type(inpaint).__name__)))

    def __call__(self, image: Tensor, image_id: int, removal: Removal, rng: np.random.Generator) -> Tensor:
        mask = torch.from_numpy(removal.hole)
        with torch.no_grad():
            (filled,) = self.inpaint(image[None], mask[None, None].to(image))
        return torch.where(mask, filled.cpu().clamp(0, 1), image)


class Mixed(Fill):
    """One of several fills for each hole, so that none of them can be learnt by heart.

    Args:
        fills: name → fill, or None to leave it out.
        weights: name → how often, relative to the others; 1 where it is not named.

    Raises:
        UserError: no fill is left, or a weight is of none or not above 0.
    """

    def __init__(self, fills: Mapping[str, Fill | None], weights: Mapping[str, float] | None = None):
        self.fills = {name: fill for name, fill in fills.items() if fill is not None}
        self.weights = {name: (weights or {}).get(name, 1.0) for name in self.fills}
        if not self.fills or set(weights or {}) - set(fills) or min(self.weights.values()) <= 0:
            raise UserError("data.removal.fill mixes fills by weights above 0: name at least one fill, and no other")
        self.everywhere = any(fill.everywhere for fill in self.fills.values())

    @property
    def mark(self) -> str:
        """The fills and how often each is taken."""
        return repr([(fill.mark, self.weights[name]) for name, fill in sorted(self.fills.items())])

    def __call__(self, image: Tensor, image_id: int, removal: Removal, rng: np.random.Generator) -> Tensor:
        usable = [name for name, fill in self.fills.items() if fill.everywhere or removal.objects]
        shares = np.array([self.weights[name] for name in usable])
        chosen = usable[rng.choice(len(usable), p=shares / shares.sum())]
        return self.fills[chosen](image, image_id, removal, rng)
