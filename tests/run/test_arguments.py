"""Values against what takes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from omegaconf import OmegaConf

from whysaid.run.arguments import _fits, _named, arguments_of


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [1, -3], ["1", 1.5, True, None, [1]]),
        (float, [1, 0.5], ["abc", True, None]),
        (float | torch.Tensor, [1e-3], ["abc", None, [1]]),
        (int | None, [1, None], ["abc"]),
        (bool, [True, 0, 1], ["yes", 2, None]),
        (str, ["a"], [1, None, ["a"]]),
        (str | Path, ["a"], []),
        (Literal["a", "b"], ["a"], ["c", 1]),
        (Sequence[str], [["a"]], ["a", 1]),
        (tuple[float, float], [[0.9, 0.999]], [3]),
        (Mapping[str, int] | None, [{"a": 1}, None], [3, [1]]),
        (Callable[..., Any], [{"_target_": "x"}], ["x", 3]),
        (Any, [1, "a", None], []),
        (object, [1, "a", None], []),
    ],
    ids=str,
)
def test_a_value_fits_a_hint(hint: Any, fitting: list[Any], others: list[Any]) -> None:
    for value in (*fitting, *others):
        held = OmegaConf.create({"value": value}).value
        assert _fits(held, hint) == (value in fitting and type(value) in map(type, fitting)), value


def test_what_belongs_there_in_words() -> None:
    assert _named(int | None) == "a whole number or null"
    assert _named(float | torch.Tensor) == "a number"
    assert _named(Literal["ptb", "words"]) == "one of ptb, words"
    assert _named(tuple[float, float]) == "a list, such as [a,b],"
    assert _named(dict[str, int]) == "a mapping, such as {name: value},"


class Base:
    def __init__(self, size: int, name: str = None):  # type: ignore[assignment]  # noqa: RUF013
        self.size, self.name = size, name


class Handing(Base):
    def __init__(self, own: float, **rest: Any):
        super().__init__(**rest)
        self.own = own


def test_arguments_that_are_handed_on_count() -> None:
    assert arguments_of(Handing) == ({"own": float, "size": int, "name": str | None}, False)
    assert arguments_of(Base) == ({"size": int, "name": str | None}, False)
    assert arguments_of(dict)[1]
