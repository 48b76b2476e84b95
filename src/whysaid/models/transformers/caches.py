"""Caches of transformers as the plain tensors of a captioner's state, and back.

B images, N rows, image-major, h heads, P tokens that all rows of an image share, T tokens of each row, d width of a
head.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

Layers = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values (·, h, ·, d) of each layer."""


def layers_of(cache: Any) -> Layers:
    """The keys and values in a `DynamicCache`; where an image's are shared, those of the rows alone."""
    return tuple(
        (layer.own_keys, layer.own_values) if isinstance(layer, SharedLayer) else (layer.keys, layer.values)
        for layer in cache.layers
    )


def first_tokens(layers: Layers, number: int) -> Layers:
    """The same of the first tokens alone."""
    return tuple((keys[:, :, :number], values[:, :, :number]) for keys, values in layers)


def cache_of(layers: Layers) -> DynamicCache:
    """A cache that holds keys and values already; it leaves these as they are when it grows."""
    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


def shared_cache(shared: Layers, own: Layers | None, rows: int) -> DynamicCache:
    """A cache whose layers begin with what all rows of an image share.

    Args:
        shared: (B, h, P, d).
        own: (N, h, T, d), behind these; None: nothing.
        rows: N.
    """
    cache = DynamicCache()
    for number, (keys, values) in enumerate(shared):
        layer = SharedLayer(keys, values, rows // len(keys))
        if own is not None:
            layer.own_keys, layer.own_values = own[number]
        cache.layers.append(layer)
    return cache


class SharedLayer(DynamicLayer):
    """Keys and values of an image's tokens, kept once an image and repeated for its rows when they are used.

    Args:
        keys, values: (B, h, P, d).
        times: N / B.
    """

    def __init__(self, keys: Tensor, values: Tensor, times: int):
        super().__init__()
        self.shared, self.times = (keys, values), times
        self.own_keys = self.own_values = keys[:, :, :0].repeat_interleave(times, 0)
        self.is_initialized = True

    @property
    def keys(self) -> Tensor:  # type: ignore[override]
        """(N, h, P + T, d)."""
        return self._joined(self.shared[0], self.own_keys)

    @keys.setter
    def keys(self, value: Any) -> None:
        """What the base class sets when it is made."""

    @property
    def values(self) -> Tensor:  # type: ignore[override]
        """(N, h, P + T, d)."""
        return self._joined(self.shared[1], self.own_values)

    @values.setter
    def values(self, value: Any) -> None:
        """What the base class sets when it is made."""

    def _joined(self, shared: Tensor, own: Tensor) -> Tensor:
        repeated = shared if self.times == 1 else shared.repeat_interleave(self.times, 0)
        return torch.cat([repeated, own], 2) if own.shape[2] else repeated

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Adds tokens to each row, (N, h, ·, d), and gives all keys and values."""
        self.own_keys = torch.cat([self.own_keys, key_states], 2)
        self.own_values = torch.cat([self.own_values, value_states], 2)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """P + T."""
        return self.shared[0].shape[2] + self.own_keys.shape[2]
