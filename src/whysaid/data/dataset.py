"""A data set of pictures that gives whole batches; what is said of the pictures, subclasses add."""

import logging
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from whysaid.data.features.store import FeatureStore
from whysaid.data.images import Photo, Preprocessing, first_readable
from whysaid.data.sampler import Key

log = logging.getLogger(__name__)


class Fillable(Protocol):
    """A batch whose pictures, or features in their place, are put in last."""

    images: Tensor | None
    regions: Tensor | None
    mask: Tensor | None
    broken: list[str]


Item = TypeVar("Item", bound=Photo)
Batch = TypeVar("Batch", bound=Fillable)


class PictureDataset(Dataset[Batch], Generic[Item, Batch]):
    """Indexed by a list of keys, it gives one batch: reading whole batches is what the feature store is quick at.

    A subclass supplies `text_batch`.

    Args:
        images: of one split.
        preprocessing: photo to tensor.
        features: cached encoder features in place of pixels, or None.
    """

    def __init__(self, images: Sequence[Item], preprocessing: Preprocessing, features: FeatureStore | None = None):
        self.images, self.preprocessing, self.features = images, preprocessing, features

    def text_batch(self, keys: Sequence[Key]) -> Batch:
        """The batch without its pictures: ids, and what is said or asked of them."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, keys: list[Key]) -> Batch:
        if self.features is not None:
            ids = [self.images[key.index].id for key in keys]
            mask = self.features.mask(ids)
            batch = self.text_batch(keys)
            batch.regions = torch.from_numpy(self.features.batch(ids))
            batch.mask = None if mask is None else torch.from_numpy(mask)
            return batch
        loaded = [self._load(key) for key in keys]
        batch = self.text_batch([key for key, _, _ in loaded])
        batch.images = torch.stack([pixels for _, pixels, _ in loaded])
        batch.broken = [name for _, _, names in loaded for name in names]
        return batch

    def _load(self, key: Key) -> tuple[Key, Tensor, list[str]]:
        """The pixels of an image, or of the next one that can be read, and the names of those that cannot."""
        index, photo, broken = first_readable(self.images, key.index)
        return Key(key.epoch, index), self.preprocessing(photo), broken
