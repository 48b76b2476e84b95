import pytest
import torch
from torch import nn

from whysaid.models.inpainting.discriminator import Discriminator


def test_published_layers() -> None:
    discriminator = Discriminator()
    layers = [layer for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [64, 128, 256, 256, 256, 256]
    assert all(layer.kernel_size == (5, 5) and layer.stride == (2, 2) for layer in layers)
    scores = discriminator(torch.zeros(2, 3, 256, 256), torch.zeros(2, 1, 256, 256))
    assert scores.shape == (2, 256 * 4 * 4)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 72), (33, 17)])
def test_shapes(height: int, width: int) -> None:
    scores = Discriminator((8, 8))(torch.zeros(3, 3, height, width), torch.zeros(3, 1, height, width))
    assert scores.shape == (3, 8 * -(-height // 4) * -(-width // 4))


def test_spectral_norms_are_one() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator((8, 16))
    for _ in range(50):
        discriminator(torch.randn(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    for layer in discriminator.eval().layers:
        if isinstance(layer, nn.Conv2d):
            largest = float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2))
            assert largest == pytest.approx(1, abs=0.01)


def test_the_mask_is_seen() -> None:
    torch.manual_seed(0)
    discriminator, images = Discriminator((8, 8)).eval(), torch.rand(1, 3, 16, 16)
    masked = discriminator(images, torch.ones(1, 1, 16, 16))
    assert not torch.allclose(masked, discriminator(images, torch.zeros(1, 1, 16, 16)))
