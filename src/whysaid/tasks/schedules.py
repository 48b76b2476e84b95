"""Learning-rate schedules that know how long a run is."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def scheduled(make: Callable[..., Any], optimizer: Optimizer, steps: int | float) -> Any:
    """Makes a scheduler of an optimiser by `make`, which gets the run's `steps` if it takes them."""
    length = {"steps": steps} if "steps" in inspect.signature(make).parameters else {}
    return make(optimizer, **length)


def cosine(
    optimizer: Optimizer,
    steps: int,
    warmup: int = 0,
    first: int = 0,
    peaks: Sequence[tuple[float, float]] | None = None,
) -> LambdaLR:
    """Makes a schedule: a linear rise over `warmup` steps, then half a wave of cosine to zero; once, or twice.

    Args:
        optimizer: its groups' learning rates are the peaks.
        steps: optimiser steps of the whole run; the task fills it in.
        warmup: optimiser steps of each rise.
        first: optimiser steps of a first cycle before the main one; 0 for none.
        peaks: for each parameter group (decoder, encoder), what its learning rate is multiplied by in the first and in
            the main cycle; None for 1. A frozen encoder has no group, and its pair is passed over.
    """
    groups = len(optimizer.param_groups)
    pairs = (peaks or [(1.0, 1.0)] * groups)[:groups]
    return LambdaLR(optimizer, [_factor(steps, warmup, first, pair) for pair in pairs])


def _factor(steps: int, warmup: int, first: int, peaks: tuple[float, float]) -> Callable[[int], float]:
    """Gives the function from an optimiser step to what one group's learning rate is multiplied by."""

    def factor(step: int) -> float:
        in_main = step >= first
        done, length = (step - first, steps - first) if in_main else (step, first)
        rise = min(1.0, (done + 1) / max(1, warmup))
        return peaks[in_main] * rise * 0.5 * (1 + math.cos(math.pi * min(done / max(1, length), 1.0)))

    return factor
