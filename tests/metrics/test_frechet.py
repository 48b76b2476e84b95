import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.metrics.frechet import PooledFeatures, frechet_distance
from whysaid.models.encoders.encoder import Encoder, Regions


def test_against_the_formula() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(60, 5).double(), 0.5 * torch.randn(40, 5).double() + 1
    a, b = (np.cov(x.numpy(), rowvar=False) for x in (real, fake))
    apart = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    expected = float(apart) + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)


def test_none_from_itself_and_more_from_farther() -> None:
    torch.manual_seed(0)
    real = torch.randn(50, 4)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(real, real + 1) == pytest.approx(4, abs=1e-5)


class Channels(Encoder):
    """Each pixel is a region."""

    dim, grid = 3, (4, 4)
    preprocessing = Preprocessing(4, mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 1.0))

    def forward(self, images: Tensor) -> Regions:
        assert images.shape[-2:] == (4, 4)
        return Regions(images.flatten(2).transpose(1, 2))


def test_features_are_means_over_regions_of_prepared_pixels() -> None:
    features = PooledFeatures(Channels())
    pixels = torch.tensor([1.0, 0.5, 0.2]).view(1, 3, 1, 1).expand(2, 3, 9, 7)
    torch.testing.assert_close(features(pixels), torch.tensor([[1.0, 0.5, 0.2]]).expand(2, 3))
    assert features.name == "Channels, 3 features"
