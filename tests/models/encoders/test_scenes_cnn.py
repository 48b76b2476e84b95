import pytest
import torch

from tests.models.encoders.checks import check_contract, check_grid_order
from whysaid.errors import UserError
from whysaid.models.encoders.scenes_cnn import ScenesCNN


@pytest.mark.parametrize("surroundings", [0, 3])
@pytest.mark.parametrize(
    ("widths", "size", "grid"),
    [((16, 32, 96, 192), 80, (10, 10)), ((8, 8), 16, (8, 8)), ((8, 8, 16, 16, 24), 80, (5, 5))],
)
def test_contract(widths, size, grid, surroundings):
    torch.manual_seed(0)
    encoder = ScenesCNN(widths, size, surroundings)
    assert (encoder.dim, encoder.grid) == (widths[-1] + 5 * surroundings, grid)
    check_contract(encoder)


def test_grid_is_row_major():
    torch.manual_seed(0)
    check_grid_order(ScenesCNN())


def test_it_learns_where_a_square_is():
    torch.manual_seed(0)
    encoder = ScenesCNN((8, 16), 16)
    optimizer = torch.optim.Adam(encoder.parameters(), 0.02)
    images, cells = torch.full((64, 3, 16, 16), -1.0), torch.randint(64, (64,))
    for image, cell in zip(images, cells.tolist(), strict=True):
        row, column = divmod(cell, 8)
        image[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 1
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(encoder(images).values.mean(-1), cells)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (encoder(images).values.mean(-1).argmax(1) == cells).float().mean() > 0.95


def test_image_size_must_fit():
    with pytest.raises(UserError, match="multiple of 8"):
        ScenesCNN(image_size=84)
