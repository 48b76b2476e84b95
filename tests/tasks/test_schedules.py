"""Learning-rate schedules."""

from functools import partial

import pytest
import torch

from whysaid.tasks.schedules import cosine, scheduled


def rates(steps: int, **options: object) -> list[list[float]]:
    groups = [{"params": [torch.zeros(1)], "lr": 1.0}, {"params": [torch.zeros(1)], "lr": 10.0}]
    optimizer = torch.optim.SGD(groups)
    scheduler = cosine(optimizer, steps, **options)  # type: ignore[arg-type]
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


def test_rises_then_falls_to_zero() -> None:
    first = [decoder for decoder, _ in rates(10, warmup=2)]
    assert first[0] == pytest.approx(0.5)
    assert first[1:] == sorted(first[1:], reverse=True)
    assert first[5] == pytest.approx(0.5)
    assert 0 < first[-1] < 0.05


def test_each_group_keeps_its_own_rate() -> None:
    assert all(encoder == pytest.approx(10 * decoder) for decoder, encoder in rates(10, warmup=3))


def test_a_first_cycle_has_peaks_of_its_own() -> None:
    found = rates(12, first=4, peaks=[(1.0, 0.5), (1.0, 0.1)])
    assert found[0] == pytest.approx([1.0, 10.0])
    assert found[3][0] < 0.2
    assert found[4] == pytest.approx([0.5, 1.0])


def test_only_who_asks_is_told_how_long_the_run_is() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    halving = scheduled(partial(torch.optim.lr_scheduler.StepLR, step_size=3, gamma=0.5), optimizer, 10)
    assert halving.step_size == 3
    told: list[float] = []
    scheduled(lambda optimizer, steps: told.append(steps), optimizer, 10)
    assert told == [10]
