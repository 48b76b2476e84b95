import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.models.inpainting.gated_convolution import GatedConvolution, GatedUpsampling


def looped(layer: GatedConvolution, x: Tensor, stride: int, dilation: int) -> Tensor:
    """φ(a)·σ(b), one output pixel and channel at a time; the first half of the kernels makes a, the second b."""
    weight, bias = layer.convolution.weight, layer.convolution.bias
    half, kernel = len(weight) // 2, weight.shape[-1]
    reach = dilation * (kernel - 1) // 2
    padded = F.pad(x, (reach,) * 4)
    rows, columns = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
    out = x.new_zeros(len(x), half, rows, columns)
    for i in range(rows):
        for j in range(columns):
            y, z = i * stride, j * stride
            window = padded[:, :, y : y + 2 * reach + 1 : dilation, z : z + 2 * reach + 1 : dilation]
            for c in range(half):
                a = (window * weight[c]).sum((1, 2, 3)) + bias[c]
                b = (window * weight[half + c]).sum((1, 2, 3)) + bias[half + c]
                out[:, c, i, j] = torch.where(a > 0, a, a.exp() - 1) / (1 + (-b).exp())
    return out


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(5, 1, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4)])
@torch.no_grad()
def test_against_a_loop(kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = GatedConvolution(3, 2, kernel, stride, dilation).double()
    x = torch.randn(2, 3, 6, 8, dtype=torch.double)
    torch.testing.assert_close(layer(x), looped(layer, x, stride, dilation), atol=1e-12, rtol=0)


def test_the_activation_may_be_another() -> None:
    x = torch.randn(1, 2, 4, 4)
    assert (GatedConvolution(2, 3, activation=F.relu)(x) >= 0).all()
    assert (GatedConvolution(2, 3)(x) < 0).any()


@torch.no_grad()
def test_upsampling_doubles_by_nearest_neighbours() -> None:
    layer = GatedUpsampling(2, 3).double()
    x = torch.randn(1, 2, 3, 5, dtype=torch.double)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer(x), looped(layer, repeated, 1, 1), atol=1e-12, rtol=0)


def test_gradients() -> None:
    layer = GatedConvolution(2, 2, stride=2).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


@torch.no_grad()
def test_a_new_network_neither_fades_nor_grows() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 32, 24, 24)
    for _ in range(12):
        x = GatedConvolution(32, 32)(x)
    assert 0.25 < float(x.square().mean()) < 4
