import pytest
import torch

from whysaid.errors import UserError
from whysaid.models.encoders.regions import RegionFeatures


def test_regions_come_from_files_only():
    encoder = RegionFeatures(dim=1024)
    assert (encoder.dim, encoder.grid, encoder.preprocessing.size) == (1024, None, 224)
    with pytest.raises(UserError, match="prepare them as files"):
        encoder(torch.zeros(1, 3, 224, 224))
