from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from whysaid.errors import UserError
from whysaid.models.encoders.weights import load_weights


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))


def never() -> dict:
    raise AssertionError("nothing was to be downloaded")


def load(module: nn.Module, weights: str | None, imagenet=never) -> None:
    load_weights(module, weights, imagenet, head=("fc.",))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_tensor_comes_from_the_file_and_the_head_is_passed_over(tmp_path, suffix):
    source, target = network(), network()
    source[1].running_mean.fill_(3)
    state = {**source.state_dict(), "fc.weight": torch.zeros(2)}
    path = str(tmp_path / f"w{suffix}")
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    load(target, path)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())


def test_none_leaves_the_module_as_it_is():
    module = network()
    before = module[0].weight.clone()
    load(module, None)
    assert torch.equal(module[0].weight, before)


def test_imagenet_takes_the_published_weights():
    source, target = network(), network()
    load(target, "imagenet", source.state_dict)
    assert torch.equal(target[0].weight, source[0].weight)


@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("invalid hash value")])
def test_a_failed_download_asks_for_a_path(error):
    def fail():
        raise error

    with pytest.raises(UserError, match=r"could not be downloaded .* set encoder\.weights to its path"):
        load(network(), "imagenet", fail)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("0.weight"), r"0\.weight is missing"),
        (lambda state: state.update({"9.weight": torch.zeros(1)}), r"9\.weight is unexpected"),
        (lambda state: state.update({"0.weight": torch.zeros(1)}), r"0\.weight is \(1,\), expected \(4, 3, 1, 1\)"),
    ],
)
def test_what_does_not_fit_is_listed_and_nothing_is_loaded(tmp_path, change, message):
    state, module = network().state_dict(), network()
    change(state)
    torch.save(state, tmp_path / "w.pth")
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(UserError, match=message):
        load(module, str(tmp_path / "w.pth"))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_long_list_of_misfits_is_cut(tmp_path):
    torch.save({}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"missing$"):
        load(network(), str(tmp_path / "w.pth"))
    with pytest.raises(UserError, match=r"and 5 more$"):
        load(nn.Sequential(network(), network()), str(tmp_path / "w.pth"))


def test_a_file_that_is_absent_of_another_kind_or_damaged_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no weights file .*gone\.pth"):
        load(network(), str(tmp_path / "gone.pth"))
    for name, message in (("a.bin", "takes .pth and .safetensors"), ("a.pth", "cannot be read"),
                          ("a.safetensors", "cannot be read")):  # fmt: skip
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(UserError, match=message):
            load(network(), str(tmp_path / name))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="not a state dict"):
        load(network(), str(tmp_path / "list.pth"))


def test_code_in_a_pth_is_not_run(tmp_path):
    torch.save(network(), tmp_path / "module.pth")
    with pytest.raises(UserError, match="cannot be read"):
        load(network(), str(tmp_path / "module.pth"))
