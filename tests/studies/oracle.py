"""An inpainter that knows what is behind every object."""

import numpy as np
import torch
from torch import Tensor

from whysaid.data.inpainting.masks import dilated, scaled
from whysaid.data.scenes.render import masks as visible
from whysaid.data.scenes.render import render
from whysaid.data.scenes.world import scene


class Oracle:
    """Returns the scene as it is drawn without the object under the hole.

    Args:
        split, count, size, seed: of the scenes it knows.
        dilate: as the holes are dilated, pixels of 256.
    """

    def __init__(self, split: str, count: int, size: int, seed: int = 0, dilate: float = 6.0):
        scenes = [scene(seed, split, i, size) for i in range(count)]
        self.scenes = {render(scene).tobytes(): scene for scene in scenes}
        self.radius = round(scaled(dilate, size, size))

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        filled = []
        for image, mask in zip(images, masks, strict=True):
            pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
            scene = self.scenes[np.ascontiguousarray(pixels).tobytes()]
            holes = [dilated(own, self.radius) for own in visible(scene)]
            index = [np.array_equal(hole, mask[0].bool().numpy()) for hole in holes].index(True)
            filled.append(torch.from_numpy(render(scene, without=index)).permute(2, 0, 1) / 255)
        return torch.stack(filled)
