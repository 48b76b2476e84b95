"""What callbacks of several processes tell each other."""

from typing import TypeVar

import torch.distributed as dist

T = TypeVar("T")


def every(value: T) -> list[T]:
    """The values of all processes, by rank. All of them have to ask."""
    if not dist.is_initialized():
        return [value]
    values: list[T] = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def gather(predictions: dict[int, T]) -> dict[int, T]:
    """The predictions of all processes, each image once: samplers pad their shares by repeating images."""
    return {image_id: prediction for part in every(predictions) for image_id, prediction in part.items()}


def broadcast(values: dict[str, float]) -> dict[str, float]:
    """Rank 0's values, on every process."""
    if not dist.is_initialized():
        return values
    box = [values]
    dist.broadcast_object_list(box, src=0)
    return box[0]
