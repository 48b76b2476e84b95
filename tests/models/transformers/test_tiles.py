"""Where what a vision-language model sees lies in the photo: tiles, padding and crops are undone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.transformers.tiny_families import DIALOGUES
from whysaid.attribution.sentence import to_photo
from whysaid.errors import UserError
from whysaid.models.transformers import tiles
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.tiles import cut, mosaic, tile_cells, tiling

Load = Callable[[str], Pretrained]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 1), (1, 3), (2, 2)])
def test_a_mosaic_is_cut_into_its_tiles(rows: int, columns: int) -> None:
    parts = torch.arange((rows * columns + 1) * 3 * 16).view(-1, 3, 4, 4)
    whole = mosaic(parts, rows, columns)
    assert tiling(*whole.shape[1:], 4) == (rows, max(columns, 1))
    assert torch.equal(cut(whole.unsqueeze(0), 4)[0], parts)
    cells = tile_cells(rows, columns, 2)
    grid = torch.nn.functional.avg_pool2d(whole[:1].double(), 2).flatten()
    assert torch.equal(grid[cells], torch.nn.functional.avg_pool2d(parts[:, 0].double(), 2).flatten(1))


@pytest.mark.parametrize("size", [(48, 48), (60, 96), (96, 40)])
@pytest.mark.parametrize("family", DIALOGUES)
def test_a_mark_in_the_photo_comes_back_to_its_place(family: str, size: tuple[int, int], loaded: Load) -> None:
    """A white square of a black photo; what is on the grid's cells is there too, within a cell."""
    (height, width), encoder = size, loaded(family).model.encoder
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2 - 9, width // 2 - 3
    pixels[top : top + 12, left : left + 12] = 255
    seen = encoder.preprocessing(Image.fromarray(pixels))
    views = encoder.preprocessing.views(width, height)
    back = to_photo(encoder.preprocessing.inverse(seen).mean(0, keepdim=True).numpy(), size, views)[0]
    rows, columns = np.nonzero(back > back.max() / 2)
    assert abs(rows.mean() - (top + 5.5)) < 2.5 and abs(columns.mean() - (left + 5.5)) < 2.5
    assert 50 < len(rows) < 300
    with torch.no_grad():
        features = encoder(seen[None].double()).values
    shape = seen.shape[1], seen.shape[2]
    number = features.shape[1]
    grid = encoder.on_grid(torch.eye(number), shape)
    assert grid.shape[1:] == encoder.grid_at(*shape)
    ones = torch.ones(1, number)
    again = encoder.off_grid(encoder.on_grid(ones, shape), torch.full_like(ones, 5.0), shape)
    assert set(again.round(decimals=4).unique().tolist()) <= {1.0, 5.0} and (again.round(decimals=4) == 1).any()


def test_too_many_tiles_are_refused(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_TILES", 3)
    photo = Image.new("RGB", (32, 32))
    with pytest.raises(UserError, match=r"32 × 32 pixels would be cut into 2 × 2 tiles, and this model takes 3"):
        loaded("idefics3").model.encoder.preprocessing(photo)


def test_a_photo_that_is_too_narrow_is_refused(loaded: Load) -> None:
    with pytest.raises(UserError, match="a photo of 1000 × 4 pixels cannot be read"):
        loaded("qwen2_vl").model.encoder.preprocessing(Image.new("RGB", (1000, 4)))
