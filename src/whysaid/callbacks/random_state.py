"""Keeps random states in every checkpoint: a resumed run draws what the uninterrupted one would have drawn."""

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.across import all_gather


class RandomState(Callback):
    """Stores and restores the states of Python, NumPy, torch and CUDA as plain containers and tensors.

    The states of all processes are kept, since each process drops out other units. A run that continues with another
    number of processes draws anew.
    """

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Returns the states of all processes, which call this together, though one of them writes the checkpoint."""
        return {"processes": all_gather(_current())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loaded = state_dict.get("processes")  # a checkpoint of an earlier layout has none: the run draws anew

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores the states just before the first batch, whatever was drawn while the run was set up again."""
        states, self._loaded = self._loaded, None
        processes = dist.get_world_size() if dist.is_initialized() else 1
        if states is not None and len(states) == processes:
            _restore(states[dist.get_rank() if dist.is_initialized() else 0])


def _current() -> dict[str, Any]:
    """Returns the random states of this process, which `weights_only` loading accepts."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys).astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _restore(state: dict[str, Any]) -> None:
    """Sets the random states of this process; those of CUDA where it has as many devices as then."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
