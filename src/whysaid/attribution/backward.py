"""Backwards for many words at once, as many as memory allows."""

from collections.abc import Callable

import torch
from torch import Tensor

from whysaid.errors import UserError


def batched_gradient(output: Tensor, leaves: list[Tensor], seeds: Tensor) -> tuple[Tensor, ...]:
    """Gradients (n, …) of the leaves from n seeds (n, *output.shape) by one backward, which may be repeated.

    `torch.autograd.grad(is_grads_batched=True)` would do the same, but in a loop over the seeds for each convolution.
    """

    def backward(seed: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(output, leaves, seed, retain_graph=True)

    return torch.func.vmap(backward)(seeds)


def in_chunks(number: int, chunk: int, work: Callable[[slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What `work` finds (n, …) for slices of n ≤ `chunk` words, together for all `number`.

    The chunk is halved where a GPU's memory does not suffice. Raises UserError where it does not for one word.
    """
    found: list[tuple[Tensor, ...]] = []
    first = 0
    while first < number:
        try:
            found.append(work(slice(first, min(first + chunk, number))))
            first += chunk
        except torch.OutOfMemoryError as error:
            if chunk == 1:
                raise UserError(
                    "there is too little GPU memory to explain one word: explain fewer images at once"
                ) from error
            chunk //= 2
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))
