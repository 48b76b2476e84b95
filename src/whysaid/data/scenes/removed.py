"""Scenes of which one object is taken out: the renderer knows what is behind it.

B batch, S pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from whysaid.data.images import Photo
from whysaid.data.inpainting.holes import InpaintingBatch, centred, collated
from whysaid.data.inpainting.masks import dilated, scaled
from whysaid.data.removal.fills import Fill
from whysaid.data.removal.objects import Removal
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
        self.objects = [(drawn, index) for drawn in scenes for index in range(len(drawn.objects))][:limit]

    def _scene(self, image_id: int) -> Scene:
        return scene(self.source.seed, *locate(image_id), self.source.size)

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, keys: list[Key]) -> InpaintingBatch:
        chosen = [self.objects[key.index] for key in keys]
        radius = round(scaled(self.dilate, self.source.size, self.source.size))
        return collated(
            [annotation_id(drawn.image_id, index) for drawn, index in chosen],
            [centred(render(drawn, without=index)) for drawn, index in chosen],
            [dilated(masks(drawn)[index], radius) for drawn, index in chosen],
        )


class Truth(Fill):
    """What is behind an object; it cannot fill a hole through which none left.

    Args:
        source: the world that the pictures are of.
    """

    everywhere = False

    def __init__(self, source: Scenes):
        self.source = source

    @property
    def mark(self) -> str:
        """The world's seed and size."""
        return f"truth {self.source.seed} {self.source.size}"

    def __call__(self, image: Tensor, image_id: int, removal: Removal, rng: np.random.Generator) -> Tensor:
        (thing,) = removal.objects  # no scene holds two of a class
        behind = torch.from_numpy(without(self.source, image_id, thing.id)).permute(2, 0, 1)[None] / 255
        side = image.shape[-1]
        if behind.shape[-1] != side:
            behind = interpolate(behind, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        return torch.where(torch.from_numpy(removal.hole), behind[0], image)


def without(source: Scenes, image_id: int, annotation: int) -> NDArray[np.uint8]:
    """(S, S, 3): the scene of an image as it is drawn without the object of this annotation."""
    drawn = scene(source.seed, *locate(image_id), source.size)
    return render(drawn, without=annotation - annotation_id(image_id, 0))
