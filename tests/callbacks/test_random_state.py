"""Random states in checkpoints."""

import io
import random
from typing import Any

import numpy as np
import torch

from whysaid.callbacks.random_state import RandomState


def draw() -> list[Any]:
    """A few numbers of each generator, those that NumPy and Python draw in pairs among them."""
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(3).tolist()]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def test_the_same_numbers_are_drawn_after_a_checkpoint() -> None:
    seeded(3)
    draw()
    state = through_a_file(RandomState().state_dict())
    expected = draw() + draw()
    seeded(4)
    callback = RandomState()
    callback.load_state_dict(state)
    draw()  # what a resumed run draws while it is set up
    callback.on_train_start(None, None)  # type: ignore[arg-type]
    assert draw() + draw() == expected


def test_it_is_restored_once() -> None:
    callback = RandomState()
    callback.load_state_dict(through_a_file(callback.state_dict()))
    callback.on_train_start(None, None)  # type: ignore[arg-type]
    first = draw()
    callback.on_train_start(None, None)  # type: ignore[arg-type]
    assert draw() != first


def test_a_run_that_is_not_resumed_is_left_alone() -> None:
    seeded(5)
    expected = draw()
    seeded(5)
    RandomState().on_train_start(None, None)  # type: ignore[arg-type]
    assert draw() == expected


def test_another_number_of_processes_draws_anew() -> None:
    seeded(6)
    expected = draw()
    (state,) = through_a_file(RandomState().state_dict())["processes"]
    seeded(6)
    callback = RandomState()
    callback.load_state_dict({"processes": [state, state]})
    callback.on_train_start(None, None)  # type: ignore[arg-type]
    assert draw() == expected
