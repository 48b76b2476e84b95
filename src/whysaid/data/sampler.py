"""The order of training: a function of (seed, epoch) alone, so that a killed run continues where it was."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler


@dataclass(frozen=True)
class Key:
    """What a data set is asked for: the epoch (for augmentation and choice of captions) and the item's index."""

    epoch: int
    index: int


class BatchOrder(Sampler[list[Key]]):
    """Batches of keys, the same share for every process; the last ones wrap around so that all shares are equal.

    Args:
        size: items in the data set.
        batch_size: items in a batch of one process.
        seed: of the order; None keeps the data set's order.
        drop_last: leave out the last, smaller batch.
        rank, world_size: of this process.

    Attributes:
        epoch: set by Lightning before each epoch.
        resume_at: (epoch, batches): in that epoch so many batches were trained on before.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int | None = None,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.size, self.batch_size, self.seed, self.drop_last = size, batch_size, seed, drop_last
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.resume_at = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Takes the epoch's number from Lightning, before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        share = -(-self.size // self.world_size)
        return max(share // self.batch_size, 1) if self.drop_last else -(-share // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        """Yields the batches of this epoch; in the epoch that a run resumes in, those that it had not trained on."""
        order = np.arange(self.size)
        if self.seed is not None:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        share = -(-self.size // self.world_size)
        mine = np.resize(order, share * self.world_size)[self.rank :: self.world_size]
        epoch, batches = self.resume_at
        skip = batches if epoch == self.epoch else 0
        for batch in range(skip, len(self)):
            chosen = mine[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [Key(self.epoch, int(index)) for index in chosen]
