"""Scenes of which one object is taken out: the renderer knows what is behind it.

B batch, S pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from whysaid.data.images import Photo
from whysaid.data.inpainting.holes import InpaintingBatch, centred, collated
from whysaid.data.inpainting.masks import dilated, scaled
from whysaid.data.sampler import Key
from whysaid.data.scenes.records import annotation_id
from whysaid.data.scenes.render import masks, render
from whysaid.data.scenes.scene import Scene, locate
from whysaid.data.scenes.source import Scenes
from whysaid.data.scenes.world import scene


class RemovedObjects(Dataset[InpaintingBatch]):
    """Each object of each scene: its pixels, dilated, are the hole, and the scene drawn without it is the truth.

    Outside the hole the truth is the scene itself. Image ids are those of the objects' annotations.

    Args:
        photos: of a split of Scenes.
        source: the world they are of.
        dilate: pixels (of 256) by which the hole is larger than what is seen of the object.
        limit: at most so many objects, of the first scenes; None takes all.
    """

    def __init__(self, photos: Sequence[Photo], source: Scenes, dilate: float = 6.0, limit: int | None = None):
        self.source, self.dilate = source, dilate
        scenes = (self._scene(photo.id) for photo in photos)
        self.objects = [(one, index) for one in scenes for index in range(len(one.objects))][:limit]

    def _scene(self, image_id: int) -> Scene:
        return scene(self.source.seed, *locate(image_id), self.source.size)

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, keys: list[Key]) -> InpaintingBatch:
        chosen = [self.objects[key.index] for key in keys]
        radius = round(scaled(self.dilate, self.source.size, self.source.size))
        return collated(
            [annotation_id(one.image_id, index) for one, index in chosen],
            [centred(render(one, without=index)) for one, index in chosen],
            [dilated(masks(one)[index], radius) for one, index in chosen],
        )


def without(source: Scenes, image_id: int, annotation: int) -> NDArray[np.uint8]:
    """(S, S, 3): the scene of an image as it is drawn without the object of this annotation."""
    one = scene(source.seed, *locate(image_id), source.size)
    return render(one, without=annotation - annotation_id(image_id, 0))
