"""Backwards for many words at once, as many as memory allows."""

from collections.abc import Callable

import torch
from torch import Tensor

from whysaid.errors import UserError


def batched_gradient(output: Tensor, leaves: list[Tensor], seeds: Tensor) -> tuple[Tensor, ...]:
    """Computes gradients (n, …) of the leaves from n seeds (n, *output.shape) by one backward, which may be repeated.

    The gradient of a leaf that the output does not depend on is 0. `torch.autograd.grad(is_grads_batched=True)` would
    do the same, but in a loop over the seeds for each convolution.
    """

    def backward(seed: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(output, leaves, seed, retain_graph=True, materialize_grads=True)

    return torch.func.vmap(backward)(seeds)


def in_chunks(number: int, chunk: int, work: Callable[[slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Runs `work` on slices of n ≤ `chunk` words, and joins its results (n, …) to (number, …).

    The chunk is halved where a GPU's memory does not suffice.

    Raises:
        UserError: the memory does not suffice for one word.
    """
    results: list[tuple[Tensor, ...]] = []
    first = 0
    while first < number:
        try:
            results.append(work(slice(first, min(first + chunk, number))))
            first += chunk
        except torch.OutOfMemoryError as error:
            if chunk == 1:
                raise UserError(
                    "there is too little GPU memory to explain one word: explain fewer images at once"
                ) from error
            chunk //= 2
    return tuple(torch.cat(parts) for parts in zip(*results, strict=True))
