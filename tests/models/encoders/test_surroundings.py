import torch

from whysaid.models.encoders.surroundings import Surroundings


def test_maxima_near_and_in_the_half_planes():
    """Against loops over the places."""
    torch.manual_seed(0)
    height, length, width = 7, 6, 2
    layer = Surroundings(3, width).eval()
    x = torch.rand(2, 3, height, length)
    output, reduced = layer(x), layer.reduce(x)
    assert output.shape == (2, 3 + 5 * width, height, length)
    torch.testing.assert_close(output[:, :3], x, rtol=0, atol=0)
    kinds = output[:, 3:].unflatten(1, (5, width))
    nothing = torch.zeros(2, width)
    for row in range(height):
        for column in range(length):
            parts = [
                reduced[:, :, max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3],
                reduced[..., :column],
                reduced[..., column + 1 :],
                reduced[:, :, :row],
                reduced[:, :, row + 1 :],
            ]
            for kind, part in enumerate(parts):
                wanted = part.flatten(2).amax(2) if part.numel() else nothing
                torch.testing.assert_close(kinds[:, kind, :, row, column], wanted, rtol=0, atol=0)
