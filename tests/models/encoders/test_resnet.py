import pytest
import torch
from torchvision.models import resnet50

from tests.models.encoders.checks import check_contract, check_grid_order
from whysaid.errors import UserError
from whysaid.models.encoders.resnet import ResNet


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


@pytest.fixture(scope="module")
def encoder(reference, tmp_path_factory) -> ResNet:
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(reference.state_dict(), path)
    return ResNet(50, str(path), image_size=96).eval()


def test_contract(encoder):
    assert (encoder.dim, encoder.grid) == (2048, (3, 3))
    check_contract(encoder)


def test_grid_is_row_major(encoder):
    check_grid_order(encoder)


def test_a_file_of_torchvision_gives_torchvision_features(encoder, reference):
    images = torch.randn(2, 3, 96, 96)
    features = torch.nn.Sequential(*list(reference.children())[:-2])
    with torch.no_grad():
        expected = features(images).flatten(2).transpose(1, 2)
        assert torch.allclose(encoder(images).values, expected, atol=1e-4 * expected.max().item())


def test_every_relu_is_used_once_and_not_in_place(encoder):
    calls: dict[torch.nn.Module, int] = {}
    relus = [module for module in encoder.modules() if isinstance(module, torch.nn.ReLU)]
    hooks = [m.register_forward_hook(lambda m, *_: calls.update({m: calls.get(m, 0) + 1})) for m in relus]
    encoder(torch.randn(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    assert len(relus) == 1 + 3 * 16 and not any(relu.inplace for relu in relus)
    assert [calls[relu] for relu in relus] == [1] * len(relus)


def test_depths_and_grids():
    with torch.device("meta"):
        assert ResNet(101, None, 448).grid == (14, 14)
        assert [len(ResNet(depth, None).layer3) for depth in (50, 101, 152)] == [6, 23, 36]


def test_weights_of_another_depth_are_refused(reference, tmp_path):
    torch.save(reference.state_dict(), tmp_path / "resnet50.pth")
    with pytest.raises(UserError, match=r"does not fit this encoder: layer3\.6\..* is missing"):
        ResNet(101, str(tmp_path / "resnet50.pth"))


def test_unknown_depth_and_size_are_refused():
    with pytest.raises(UserError, match="ResNet-18"):
        ResNet(18, None)
    with pytest.raises(UserError, match="multiple of 32"):
        ResNet(50, None, image_size=100)
