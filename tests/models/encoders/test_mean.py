"""The mean of training features against the mean over all pictures at once."""

from collections.abc import Sequence

import torch

from tests.attribution.tiny import captioner
from whysaid.data.batch import Pictures
from whysaid.data.sampler import Key
from whysaid.models.encoders.mean import mean_regions
from whysaid.models.encoders.scenes_cnn import ScenesCNN


class Stored:
    """Pictures, or regions of which some are not real, of a data set of 7."""

    def __init__(self, pixels: bool):
        torch.manual_seed(0)
        self.images = torch.randn(7, 3, 8, 8, dtype=torch.float64) if pixels else None
        self.regions = None if pixels else torch.randn(7, 4, 5, dtype=torch.float64)
        self.mask = None if pixels else torch.arange(4) < torch.tensor([4, 2, 1, 3, 4, 4, 2])[:, None]
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 7

    def __getitem__(self, keys: Sequence[Key]) -> Pictures:
        rows = [key.index for key in keys]
        self.asked += rows
        return Pictures(*(None if part is None else part[rows] for part in (self.images, self.regions, self.mask)))


def test_the_mean_over_a_grid_is_that_of_each_place() -> None:
    model, pictures = captioner("soft", ScenesCNN((4, 6), 8)).train(), Stored(pixels=True)
    mean = mean_regions(model, pictures, batch_size=3)  # type: ignore[arg-type]
    assert model.encoder.training and mean.dtype == torch.float32
    assert pictures.images is not None
    torch.testing.assert_close(mean, model.eval().encoder(pictures.images).values.mean(0).detach().float())


def test_the_mean_of_boxes_is_that_of_all_real_ones() -> None:
    pictures = Stored(pixels=False)
    mean = mean_regions(captioner("soft"), pictures, batch_size=3)  # type: ignore[arg-type]
    assert pictures.regions is not None and pictures.mask is not None
    torch.testing.assert_close(mean, pictures.regions[pictures.mask].mean(0).float().expand(4, -1))


def test_a_part_of_the_pictures_is_spread_over_all() -> None:
    pictures = Stored(pixels=False)
    mean_regions(captioner("soft"), pictures, images=3)  # type: ignore[arg-type]
    assert pictures.asked == [0, 2, 4]
