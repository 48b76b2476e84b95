from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import vgg16

from tests.models.encoders.checks import check_contract, check_grid_order
from whysaid.errors import UserError
from whysaid.models.encoders.vgg16 import VGG16

REAL = Path("../shared/data/weights/vgg16_features.safetensors")


@pytest.fixture(scope="module")
def small() -> VGG16:
    torch.manual_seed(0)
    return VGG16(None, image_size=64)


def test_contract(small):
    assert small.grid == (4, 4)
    check_contract(small)


def test_grid_is_row_major(small):
    check_grid_order(small)


def test_it_is_vgg16_without_its_last_pool(small):
    with torch.device("meta"):
        reference = vgg16(init_weights=False).features[:-1]
    reference.load_state_dict(small.features.state_dict(), assign=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference(images)
        values = small(images).values
    assert expected.shape == (1, 512, 4, 4)
    assert torch.allclose(values.transpose(1, 2).view_as(expected), expected, atol=1e-4)


def test_image_size_must_fit():
    with pytest.raises(UserError, match="multiple of 16"):
        VGG16(None, image_size=100)


def test_keys_without_prefix_and_with_a_classifier_load(small, tmp_path):
    bare = {key: value.contiguous() for key, value in small.features.state_dict().items()}
    save_file(bare, tmp_path / "bare.safetensors")
    torch.save({**small.state_dict(), "classifier.0.weight": torch.zeros(1)}, tmp_path / "full.pth")
    for name in ("bare.safetensors", "full.pth"):
        loaded = VGG16(str(tmp_path / name), image_size=64)
        assert all(torch.equal(value, small.state_dict()[key]) for key, value in loaded.state_dict().items())


@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL} is not here")
def test_real_weights():
    encoder = VGG16(str(REAL))
    assert (encoder.dim, encoder.grid, encoder.preprocessing.size) == (512, (14, 14), 224)
    assert torch.equal(encoder.features[28].weight, load_file(REAL)["features.28.weight"])
