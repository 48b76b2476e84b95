"""Layers of transformers that compute their activations once more for the backward, only while nothing is cached."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Lets a model's layers do so within, and not behind it: a layer that does so forgets its cache."""
    try:
        set_recomputing(model, True)
        yield
    finally:
        set_recomputing(model, False)


def set_recomputing(model: nn.Module, on: bool) -> None:
    """Lets a model's layers do so, or not."""
    for module in model.modules():
        if hasattr(module, "gradient_checkpointing"):
            module.gradient_checkpointing = on  # type: ignore[assignment]
