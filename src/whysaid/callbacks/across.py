"""Exchange of values between the processes of a run; a run of one process exchanges nothing."""

from typing import TypeVar

import torch.distributed as dist

T = TypeVar("T")


def all_gather(value: T) -> list[T]:
    """Returns the values of all processes, by rank. All processes have to call it."""
    if not dist.is_initialized():
        return [value]
    values: list[T] = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def gather_by_id(predictions: dict[int, T]) -> dict[int, T]:
    """Returns the predictions of all processes, each id once: samplers pad their shares by repeating images."""
    return {i: prediction for part in all_gather(predictions) for i, prediction in part.items()}


def broadcast(values: dict[str, float]) -> dict[str, float]:
    """Returns the values of rank 0 on every process."""
    if not dist.is_initialized():
        return values
    box = [values]
    dist.broadcast_object_list(box, src=0)
    return box[0]
