"""A data set of pictures that gives whole batches; what is said of the pictures, subclasses add."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from whysaid.data.batch import CaptionBatch, Pictures, QuestionBatch
from whysaid.data.features.pictures import PictureFeatures
from whysaid.data.images import Photo, Preprocessing, first_readable
from whysaid.data.sampler import Key

Item = TypeVar("Item", bound=Photo)
Batch = TypeVar("Batch", CaptionBatch, QuestionBatch, Pictures)


class PictureDataset(Dataset[Batch], Generic[Item, Batch]):
    """Gives one batch for a list of keys: reading whole batches is what the feature store is quick at.

    A subclass supplies `text_batch`.

    Args:
        images: of one split.
        preprocessing: photo to tensor.
        features: cached encoder features in place of pixels, or None.
    """

    def __init__(self, images: Sequence[Item], preprocessing: Preprocessing, features: PictureFeatures | None = None):
        self.images, self.preprocessing, self.features = images, preprocessing, features

    def text_batch(self, keys: Sequence[Key]) -> Batch:
        """The batch without its pictures: ids, and what is said or asked of them."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, keys: list[Key]) -> Batch:
        if self.features is not None:
            photos = [self.images[key.index] for key in keys]
            mask = self.features.mask(photos)
            regions = torch.from_numpy(self.features.batch(photos))
            return replace(
                self.text_batch(keys), regions=regions, mask=None if mask is None else torch.from_numpy(mask)
            )
        loaded = [self._load(key) for key in keys]
        images = torch.stack([pixels for _, pixels, _ in loaded])
        broken = [name for _, _, names in loaded for name in names]
        return replace(self.text_batch([key for key, _, _ in loaded]), images=images, broken=broken)

    def _load(self, key: Key) -> tuple[Key, Tensor, list[str]]:
        """The pixels of an image, or of the next one that can be read, and the names of those that cannot."""
        index, photo, broken = first_readable(self.images, key.index)
        return Key(key.epoch, index), self.preprocessing(photo), broken


class PlainDataset(PictureDataset[Photo, Pictures]):
    """Pictures alone."""

    def text_batch(self, keys: Sequence[Key]) -> Pictures:
        return Pictures()
