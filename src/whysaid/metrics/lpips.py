"""LPIPS (Zhang et al. 2018), where the `lpips` package and its network's weights are at hand.

B batch, H, W pixels.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

from whysaid.metrics.score import warn_once


class Lpips:
    """Perceptual distance; without its package or weights it gives nothing, and says so once.

    Args:
        network: `alex`, `vgg` or `squeeze`.
    """

    def __init__(self, network: str = "alex"):
        self.network = network
        self._model: Any = None
        self._missing = False

    @torch.no_grad()
    def __call__(self, completed: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Pictures (B, 3, H, W) in [0, 1] → {"LPIPS": (B,)}, or nothing."""
        if self._model is None and not self._missing:
            self._load()
        if self._model is None:
            return {}
        distances = self._model.to(truth.device)(completed * 2 - 1, truth * 2 - 1)
        return {"LPIPS": distances.flatten()}

    def _load(self) -> None:
        try:
            self._model = importlib.import_module("lpips").LPIPS(net=self.network, verbose=False).eval()
        except Exception as error:  # no package, or no network to fetch its weights over
            self._missing = True
            warn_once(f"LPIPS is left out ({error}): `pip install lpips` gets it, and its first use its weights")
