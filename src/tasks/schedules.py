"""Learning-rate schedules that know how long a run is."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine(optimizer: Optimizer, steps: int, warmup: int = 0) -> LambdaLR:
    """A linear rise over `warmup` optimiser steps, then half a wave of cosine to zero at `steps`.

    Args:
        optimizer: whose groups' learning rates are the peaks.
        steps: optimiser steps of the whole run; the task fills it in.
        warmup: optimiser steps.
    """

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1, warmup))
        return rise * 0.5 * (1 + math.cos(math.pi * min(step / max(1, steps), 1.0)))

    return LambdaLR(optimizer, factor)
