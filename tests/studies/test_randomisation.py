import pytest
import torch
from torch import nn

from tests.attribution.tiny import CAPTIONERS
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.studies.common.probability import probability, project_images
from whysaid.studies.faithfulness.randomisation import layers_from_the_top, own_weights, randomised, stages


@pytest.mark.parametrize("name", ["soft", "adaptive", "gridtd", "aoa", "transformer"])
def test_layers_run_from_the_vocabulary_to_the_pixels(name):
    model = CAPTIONERS[name](ScenesCNN((4, 6), 8)).eval()
    hooks_before = [len(module._forward_hooks) for module in model.modules()]
    layers = layers_from_the_top(
        model, lambda: probability(model, project_images(model, torch.randn(1, 3, 8, 8)), torch.tensor([4, 5, 2]), 2)
    )
    with_weights = {n for n, module in model.named_modules() if own_weights(module)}
    assert set(layers) == with_weights and len(layers) == len(with_weights)
    assert layers[0] == "vocabulary_layer"
    encoder = [n for n in layers if n.startswith("encoder.")]
    assert layers[-len(encoder) :] == encoder == sorted(encoder, key=lambda n: -int(n.split(".")[-1]))
    assert [len(module._forward_hooks) for module in model.modules()] == hooks_before


def test_stages_share_the_layers_out_in_order():
    assert stages(list("abcdefg"), 3) == [["a", "b", "c"], ["d", "e"], ["f", "g"]]
    assert stages(["a", "b"], 5) == [["a"], ["b"]]


@pytest.mark.parametrize("cascading", [True, False])
def test_weights_are_shuffled_group_by_group_on_copies(cascading):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Linear(6, 7), nn.Linear(7, 8))
    before = [p.clone() for p in model.parameters()]
    copies = list(randomised(model, [["2"], ["1", "0"]], cascading, seed=3))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    expected = [{"2"}, {"0", "1", "2"} if cascading else {"0", "1"}]
    for changed, names in zip(copies, expected, strict=True):
        for (name, after), original in zip(changed.named_parameters(), before, strict=True):
            assert torch.equal(after, original) != (name.split(".")[0] in names)
            assert torch.equal(after.flatten().sort().values, original.flatten().sort().values)
    if cascading:
        assert torch.equal(copies[0][2].weight, copies[1][2].weight)
    again = list(randomised(model, [["2"], ["1", "0"]], cascading, seed=3))
    assert torch.equal(copies[1][0].weight, again[1][0].weight)
