import logging
import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from whysaid.metrics.lpips import Lpips
from whysaid.metrics.score import warn_once

PICTURES = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)


def test_left_out_and_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    warn_once.cache_clear()
    lpips = Lpips()
    with caplog.at_level(logging.WARNING):
        assert lpips(*PICTURES) == {} and lpips(*PICTURES) == {}
    assert [record.message.startswith("LPIPS is left out") for record in caplog.records] == [True]


class Distance(nn.Module):
    """Stands in for the package's network: it wants pictures in [−1, 1]."""

    def __init__(self, net: str, verbose: bool):
        super().__init__()
        assert net == "vgg"

    def forward(self, picture: Tensor, other: Tensor) -> Tensor:
        assert picture.min() >= -1 and other.max() <= 1
        return (picture - other).abs().mean((1, 2, 3), keepdim=True)


def test_the_package_is_asked_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("lpips")
    package.LPIPS = Distance  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lpips", package)
    assert Lpips("vgg")(*PICTURES)["LPIPS"].tolist() == [2.0, 2.0]
