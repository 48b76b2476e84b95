from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from whysaid.errors import UserError
from whysaid.models import detector
from whysaid.models.detector import MaskRCNN, objects


def test_what_is_found_has_an_outline():
    masks = torch.zeros(2, 1, 6, 8)
    masks[0, 0, 1:3, 2:5] = 0.9
    masks[0, 0, 0] = 0.4  # unlikely
    detected = {"boxes": torch.tensor([[2.0, 1, 5, 3], [0, 0, 1, 1]]), "labels": torch.tensor([17, 1]), "masks": masks}
    cat, person = objects(detected, (6, 8))
    assert (cat.id, cat.category, cat.box, cat.size) == (1, "cat", (2, 1, 3, 2), (6, 8))
    np.testing.assert_array_equal(cat.mask(6, 8), masks[0, 0].numpy() > 0.5)
    assert person.category == "person" and person.segmentation is None


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MaskRCNN(None, least=0.0, shorter_side=32)


def test_random_weights_find_anything(network):
    photo = Image.effect_noise((40, 30), 90).convert("RGB")
    detected = network(photo)
    assert 0 < len(detected) <= 100
    assert all(instance.size == (30, 40) and instance.mask(30, 40).shape == (30, 40) for instance in detected)
    assert {instance.category for instance in detected} <= set(detector.PUBLISHED.meta["categories"])


def test_weights_of_a_file(network, tmp_path):
    state = network._built().state_dict()
    torch.save(state, tmp_path / "whole.pth")
    other = MaskRCNN(str(tmp_path / "whole.pth"))._built().state_dict()
    assert all(torch.equal(other[name], value) for name, value in state.items())
    del state["backbone.body.conv1.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"does not fit this detector: backbone\.body\.conv1\.weight is missing"):
        MaskRCNN(str(tmp_path / "part.pth"))._built()


def test_without_a_network_or_a_file(monkeypatch):
    def fail(*_, **__):
        raise URLError("no route")

    monkeypatch.setattr(detector.MaskRCNN_ResNet50_FPN_V2_Weights, "get_state_dict", fail)
    monkeypatch.setattr(detector, "maskrcnn_resnet50_fpn_v2", lambda **_: torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match=r"could not be downloaded .* set detector\.weights to its path"):
        MaskRCNN()(Image.new("RGB", (8, 8)))
    with pytest.raises(UserError, match=r"no weights file nowhere\.pth: set detector\.weights to coco"):
        MaskRCNN("nowhere.pth")(Image.new("RGB", (8, 8)))
