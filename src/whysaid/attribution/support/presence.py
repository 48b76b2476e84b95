"""Which objects a picture shows, told by a linear probe from what its captioner sees of it.

B or N pictures, R regions, D features of a region, F = 2 D, C categories.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from whysaid.models.attention import masked_mean

Array = NDArray[np.floating]

PENALTIES = (1e-3, 1e-2, 1e-1)
"""Of |weights of standardised features|², beside the mean over pictures of the sum over categories of cross-entropies:
the one is taken that tells held-out pictures best."""

HELD_OUT = 5
"""One picture of so many is held out."""

STEPS = 60
"""Of L-BFGS, at most."""


@dataclass(frozen=True)
class Presence:
    """The log-odds that a picture shows each of C categories of objects.

    Attributes:
        categories: C names.
        weights: (C, F) float16. bias: (C,).
    """

    categories: Sequence[str]
    weights: NDArray[np.float16]
    bias: Array

    def __call__(self, features: Any) -> Array | None:
        """Features of B pictures → (B, C); None where they are of another kind than what the probe was fitted on."""
        pooled = whole_picture(features)
        if pooled is None or pooled.shape[1] != self.weights.shape[1]:
            return None
        found: Array = pooled.double().cpu().numpy() @ self.weights.T.astype(float) + self.bias
        return found

    def columns(self, categories: Iterable[str]) -> list[int]:
        """Where each of some categories stands among the C."""
        places = {name: place for place, name in enumerate(self.categories)}
        return [places[name] for name in categories]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers; `from_dict` reads them."""
        weights = b64encode(np.ascontiguousarray(self.weights, "<f2").tobytes()).decode("ascii")
        return {"categories": list(self.categories), "weights": weights, "bias": [float(value) for value in self.bias]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Presence":
        """Raises ValueError, TypeError or KeyError where they are something else."""
        categories, bias = tuple(map(str, values["categories"])), np.array(values["bias"], float)
        weights = np.frombuffer(b64decode(values["weights"], validate=True), "<f2").reshape(len(categories), -1)
        if bias.shape != (len(categories),) or not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("it does not hold a bias and finite weights for each category")
        return cls(categories, weights, bias)


def whole_picture(features: Any) -> Tensor | None:
    """(B, F): the mean and the largest value of each feature over the regions that a captioner attends to.

    None where a captioner keeps nothing of single regions.
    """
    values, mask = getattr(features, "values", None), getattr(features, "mask", None)
    if not isinstance(values, Tensor):
        return None
    values = values.detach().float()
    real = values if mask is None else values.masked_fill(~mask.unsqueeze(2), -torch.inf)
    return torch.cat([masked_mean(values, mask), real.amax(1)], 1)


def fit_presence(pooled: Tensor, labels: Tensor, categories: Sequence[str], origins: Tensor | None = None) -> Presence:
    """The probe of N pictures.

    Args:
        pooled: (N, F), of `whole_picture`.
        labels: (N, C) bool, True where a picture shows an object of the category.
        categories: C names.
        origins: (N,) int64, numbers of the pictures that these were made of, so that what is held out is of no picture
            that is fitted on; None: all are of different pictures.
    """
    mean, scale = pooled.mean(0), pooled.std(0).clamp(min=1e-6)
    x, y = (pooled - mean) / scale, labels.float()
    held = (torch.arange(len(x)) if origins is None else origins) % HELD_OUT == 0
    best = PENALTIES[0]
    if held.any() and not held.all():
        losses = {p: _loss(*_fitted(x[~held], y[~held], p), x[held], y[held]).item() for p in PENALTIES}
        best = min(losses, key=lambda p: losses[p])
    weights, bias = _fitted(x, y, best)
    weights = weights / scale
    return Presence(tuple(categories), weights.half().numpy(), (bias - weights @ mean).double().numpy())


def _fitted(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    share = y.mean(0).clamp(1e-3, 1 - 1e-3)
    weights, bias = torch.zeros(y.shape[1], x.shape[1], requires_grad=True), torch.logit(share).requires_grad_()
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(weights, bias, x, y) + penalty * weights.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[arg-type]
    return weights.detach(), bias.detach()


def _loss(weights: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(x @ weights.T + bias, y) * y.shape[1]
