"""Max-pooling whose backward does not repeat its input for each of many gradients, as autograd's own does."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from whysaid.attribution.lrp.layers import MaxPool, pair, propagated


def max_pool(
    x: Tensor,
    kernel_size: tuple[int, ...] | int,
    stride: tuple[int, ...] | int | None = None,
    padding: tuple[int, ...] | int = 0,
    dilation: tuple[int, ...] | int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """`F.max_pool2d`, with a backward of its own where windows lie side by side and fill x (B, C, H, W)."""
    size = pair(kernel_size)
    side_by_side = pair(stride or kernel_size) == size and not (x.shape[-2] % size[0] or x.shape[-1] % size[1])
    if not side_by_side or (pair(padding), pair(dilation)) != ((0, 0), (1, 1)) or return_indices:
        pooled: Callable[..., Tensor] = F.max_pool2d
        return pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    pool = MaxPool(x.detach(), size)
    return propagated(x, pool.output, pool.propagate)
