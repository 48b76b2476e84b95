"""What holds for every encoder that sees pixels."""

import torch

from whysaid.models.encoders.encoder import Encoder


def check_contract(encoder: Encoder, batch: int = 2) -> None:
    """Shape, grid and preprocessing agree; a row does not depend on its neighbours; every pixel counts."""
    encoder.eval()
    size = encoder.preprocessing.size
    torch.manual_seed(0)
    images = torch.randn(batch, 3, size, size, requires_grad=True)
    values, mask = encoder(images)
    assert encoder.grid is not None and mask is None
    assert values.shape == (batch, encoder.grid[0] * encoder.grid[1], encoder.dim)
    assert torch.allclose(encoder(images[:1]).values, values[:1], atol=1e-4 * values.max().item())
    (gradient,) = torch.autograd.grad(values.square().sum(), images)
    assert gradient.isfinite().all() and (gradient != 0).float().mean() > 0.99


def check_grid_order(encoder: Encoder) -> None:
    """Regions are row-major: a change at the top right moves the regions there more than those at the bottom left."""
    encoder.eval()
    size, (rows, columns) = encoder.preprocessing.size, encoder.grid or (0, 0)
    torch.manual_seed(0)
    images = torch.randn(1, 3, size, size)
    changed = images.clone()
    changed[:, :, : size // 2, size // 2 :] += 3
    with torch.no_grad():
        moved = (encoder(changed).values - encoder(images).values).abs().sum(-1).view(rows, columns)
    top_right = moved[: rows // 2, -(columns // 2) :].mean()
    bottom_left = moved[-(rows // 2) :, : columns // 2].mean()
    assert top_right > 1.1 * bottom_left, (top_right, bottom_left)
