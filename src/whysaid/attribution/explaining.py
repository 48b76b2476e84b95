"""The state in which a model is explained, whoever asks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def explaining(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Sets evaluation mode, recorded gradients and full precision; leaves each module in the mode it was in.

    What was compiled runs as it is written: a compiled backward cannot be batched over words. Works inside `no_grad`
    and `inference_mode`, but tensors made in inference mode must be cloned in here before use.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
            torch.compiler.set_stance("force_eager"),
        ):
            yield
    finally:
        for module, training in modes:
            module.training = training
