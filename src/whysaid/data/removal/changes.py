"""The changed pictures of a training batch: made beforehand, or filled when they are drawn.

M changed pictures.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from whysaid.data.batch import Pictures
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.features.store import FeatureStore
from whysaid.data.images import Preprocessing, load_image
from whysaid.data.removal.made import MadePicture
from whysaid.data.removal.removals import Removals, World, epoch_draw
from whysaid.data.sampler import Key


class Changed(NamedTuple):
    """What a batch gets.

    Attributes:
        rows: M places in the batch.
        categories: what left each of them, or None where nothing did.
        pictures: as they now look.
    """

    rows: list[int]
    categories: list[str | None]
    pictures: Pictures


class Changes(ABC):
    """Draws one change of each picture of a batch that has any, by (seed, epoch, index)."""

    @abstractmethod
    def __call__(self, images: Sequence[CaptionedImage], keys: Sequence[Key]) -> Changed | None:
        """Gives the changed pictures of a batch; None where none of its pictures can be changed."""


class MadeChanges(Changes):
    """Pictures that were made beforehand.

    Args:
        removals: says how they are drawn.
        made: image id → its changed pictures.
        preprocessing: of the encoder.
        features: the encoder's own of these pictures, in place of their pixels, or None.
    """

    def __init__(
        self,
        removals: Removals,
        made: Mapping[int, Sequence[MadePicture]],
        preprocessing: Preprocessing,
        features: FeatureStore | None = None,
    ):
        self.removals, self.made, self.preprocessing, self.features = removals, made, preprocessing, features

    def __call__(self, images: Sequence[CaptionedImage], keys: Sequence[Key]) -> Changed | None:
        chosen: dict[int, MadePicture] = {}
        for row, (image, key) in enumerate(zip(images, keys, strict=True)):
            if own := self.made.get(image.id, ()):
                negative = [picture.category is None for picture in own]
                chosen[row] = own[self.removals.draw(negative, epoch_draw(self.removals.seed, key))]
        if not chosen:
            return None
        return Changed(list(chosen), [picture.category for picture in chosen.values()], self._load([*chosen.values()]))

    def _load(self, pictures: Sequence[MadePicture]) -> Pictures:
        if self.features is None:
            return Pictures(torch.stack([self.preprocessing(load_image(picture.path)) for picture in pictures]))
        ids = [str(picture.id) for picture in pictures]
        mask = self.features.mask(ids)
        values = torch.from_numpy(self.features.batch(ids))
        return Pictures(regions=values, mask=None if mask is None else torch.from_numpy(mask))


class DrawnChanges(Changes):
    """Pictures that are filled when they are drawn, each time anew.

    Args:
        removals: says what leaves, and what takes its place.
        world: the pictures and the objects in them.
    """

    def __init__(self, removals: Removals, world: World):
        self.removals, self.world = removals, world

    def __call__(self, images: Sequence[CaptionedImage], keys: Sequence[Key]) -> Changed | None:
        _, instances, words, preprocessing = self.world
        rows, categories, pictures = [], [], []
        for row, (image, key) in enumerate(zip(images, keys, strict=True)):
            objects = instances.objects.get(image.id, ())
            possible = self.removals.of(image, objects, words, preprocessing.size) if objects else []
            if possible:
                rng = epoch_draw(self.removals.seed, key)
                removal = possible[self.removals.draw([one.category is None for one in possible], rng)]
                rows.append(row)
                categories.append(removal.category)
                photo = self.removals.picture(load_image(image.path), image.id, removal, rng)
                pictures.append(preprocessing(photo))
        return Changed(rows, categories, Pictures(torch.stack(pictures))) if rows else None
