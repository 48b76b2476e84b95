"""The cached features of a data set's pictures: each is known by what is in its file, and not by its number.

B batch, R regions, D features.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whysaid.data.features.store import FeatureStore
from whysaid.data.files.digest import RememberedDigests
from whysaid.data.images import Photo

PictureKeys = Mapping[tuple[int, Path], str]
"""(image id, path) → the key under which the features of this picture are stored."""


@dataclass(frozen=True)
class PictureFeatures:
    """The features of pictures, in a store that other data sets may share.

    Attributes:
        store: where they are.
        keys: of the pictures.
    """

    store: FeatureStore
    keys: PictureKeys

    def batch(self, photos: Sequence[Photo]) -> np.ndarray:
        """Features of B pictures, (B, R, D) float16."""
        return self.store.batch(self._keys_of(photos))

    def mask(self, photos: Sequence[Photo]) -> np.ndarray | None:
        """(B, R) bool, True where a region is real; None where every image of the store has all R."""
        return self.store.mask(self._keys_of(photos))

    def _keys_of(self, photos: Sequence[Photo]) -> list[str]:
        return [self.keys[photo.id, photo.path] for photo in photos]


def picture_keys(photos: Iterable[Photo], remembered: Path, with_id: bool = False) -> dict[tuple[int, Path], str]:
    """Returns the keys of pictures by what is in their files; those that cannot be read are left out.

    Args:
        photos: of all splits.
        remembered: file in which the digests of files are remembered.
        with_id: features come from files that name images by their ids, so that the key holds the id too.
    """
    photos = list(photos)
    digests = RememberedDigests(remembered)(photo.path for photo in photos)
    return {
        (photo.id, photo.path): f"{photo.id}-{digests[photo.path]}" if with_id else digests[photo.path]
        for photo in photos
        if photo.path in digests
    }
