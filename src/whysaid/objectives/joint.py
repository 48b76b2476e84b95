"""Means over the batches of all processes."""

import torch.distributed as dist
from torch import Tensor


def joint(mean: Tensor, count: Tensor) -> Tensor:
    """Scales a mean over items of this process, so that the average over processes is the mean over all their items.

    Lightning averages gradients. Captions differ in length, so the mean of the processes' means would weigh a word the
    less the more words its process has. With one process it changes nothing.

    Args:
        mean: (), differentiable.
        count: (), number of items that it is over.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return mean
    total = count.to(mean).clone()
    dist.all_reduce(total)
    return mean * (count.to(mean) * dist.get_world_size() / total.clamp(min=1))
