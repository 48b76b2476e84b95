"""Whether a photo is like those that a model was trained on: how far its features are from theirs.

N training photos, D features.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

NEIGHBOUR = 5
"""Which of the nearest training photos a distance is to (Ramaswamy et al. 2000; Sun et al. 2022)."""

FEWEST = 20
"""Training photos without which nothing is said."""

FAR = 0.99
"""Share of the training photos from which on a photo that is farther than they are counts as far."""


@dataclass(frozen=True)
class Distance:
    """How far a photo is from the training photos.

    Attributes:
        distance: to its fifth neighbour among them, of features in standard deviations.
        typical: the median of that distance among the training photos.
        quantile: share of the training photos that are nearer to the others than it is, in [0, 1].
    """

    distance: float
    typical: float
    quantile: float

    @property
    def far(self) -> bool:
        """Whether the photo is farther than nearly all training photos."""
        return self.quantile > FAR

    @property
    def remark(self) -> str:
        """A line for the reader; empty of a photo that is not far."""
        if not self.far:
            return ""
        share = "all" if self.quantile == 1 else f"{100 * self.quantile:.1f} % of"
        times = self.distance / max(self.typical, 1e-9)
        return (
            f"far from what it was trained on: farther than {share} its training photos, {times:.1f} times their usual "
            "distance"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain containers."""
        return {**asdict(self), "far": self.far}


class Familiarity:
    """The features of some training photos, and how far they are from one another.

    Args:
        vectors: (N, D), of each photo the mean over the regions of an encoder's output.

    Raises:
        ValueError: there are fewer than `FEWEST`, or one is not finite.
    """

    def __init__(self, vectors: Tensor):
        if vectors.ndim != 2 or len(vectors) < FEWEST or not vectors.isfinite().all():
            raise ValueError(f"{FEWEST} finite vectors are wanted, not {tuple(vectors.shape)}")
        self.vectors = vectors.detach().float().cpu()
        self._mean, spread = self.vectors.mean(0), self.vectors.std(0)
        self._scale = torch.where(spread > 0, spread, spread.mean().clamp(min=1e-6))  # of what never varied
        self._known = self._standardised(self.vectors)
        among = torch.cdist(self._known, self._known).fill_diagonal_(torch.inf)
        self._distances = among.kthvalue(NEIGHBOUR, 1).values

    def __call__(self, vector: Tensor) -> Distance:
        """The distance of a photo, from the mean (D,) over its regions."""
        apart = torch.cdist(self._standardised(vector.detach().float().cpu())[None], self._known)[0]
        distance = apart.kthvalue(NEIGHBOUR).values
        nearer = (self._distances < distance).double().mean()
        return Distance(float(distance), float(self._distances.median()), float(nearer))

    def _standardised(self, vectors: Tensor) -> Tensor:
        return (vectors - self._mean) / self._scale
