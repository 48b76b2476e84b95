"""The order of training."""

import pytest

from whysaid.data.sampler import BatchOrder


def indices(order: BatchOrder) -> list[int]:
    return [key.index for batch in order for key in batch]


def test_an_epoch_sees_every_item_once_and_the_next_in_another_order() -> None:
    order = BatchOrder(10, 3, seed=0)
    first = indices(order)
    order.set_epoch(1)
    second = indices(order)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    order.set_epoch(0)
    assert indices(order) == first


def test_without_a_seed_the_order_is_the_data_sets() -> None:
    assert indices(BatchOrder(5, 2)) == [0, 1, 2, 3, 4]


def test_resuming_skips_what_was_trained_on_in_that_epoch_only() -> None:
    order = BatchOrder(10, 3, seed=0)
    order.set_epoch(2)
    whole = list(order)
    order.resume_at = (2, 1)
    assert list(order) == whole[1:]
    order.set_epoch(3)
    assert len(list(order)) == len(order) == 4


@pytest.mark.parametrize("drop_last", [True, False])
def test_processes_share_an_epoch_in_equal_numbers_of_batches(drop_last: bool) -> None:
    parts = [BatchOrder(11, 2, seed=0, rank=rank, world_size=3, drop_last=drop_last) for rank in range(3)]
    assert len({len(list(part)) for part in parts}) == 1
    drawn = [index for part in parts for index in indices(part)]
    assert drop_last or set(drawn) == set(range(11))


def test_the_last_smaller_batch_is_dropped_on_request() -> None:
    assert [len(batch) for batch in BatchOrder(7, 3, drop_last=True)] == [3, 3]
    assert [len(batch) for batch in BatchOrder(7, 3)] == [3, 3, 1]
