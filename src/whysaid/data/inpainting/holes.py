"""Pictures with holes.

B batch, H, W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from whysaid.data.framing import Framing
from whysaid.data.images import Photo, first_readable
from whysaid.data.inpainting.masks import Mask, Shape
from whysaid.data.sampler import Key


@dataclass
class InpaintingBatch:
    """Whole pictures, and where their holes are.

    image_ids: (B,) int64. images: (B, 3, H, W) in [−1, 1], the truth. masks: (B, 1, H, W) float, 1 = hole, 0 elsewhere.
    broken: names of image files that could not be read and were replaced by their neighbours.
    """

    image_ids: Tensor
    images: Tensor
    masks: Tensor
    broken: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.image_ids)


def centred(photo: Image.Image | NDArray[np.uint8]) -> Tensor:
    """An RGB photo, or its pixels (H, W, 3) → (3, H, W) float32 in [−1, 1]."""
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous().float()
    return pixels / 127.5 - 1


def uncentred(images: Tensor) -> Tensor:
    """Images in [−1, 1] → pixels in [0, 1]."""
    return ((images.float() + 1) / 2).clamp(0, 1)


def collated(
    ids: Sequence[int], images: Sequence[Tensor], masks: Sequence[Mask], broken: Sequence[str] = ()
) -> InpaintingBatch:
    """Makes a batch of images (3, H, W) of one size and their masks (H, W); `broken` as there."""
    holes = torch.from_numpy(np.stack(masks))[:, None].float()
    return InpaintingBatch(torch.tensor(ids), torch.stack(list(images)), holes, list(broken))


class InpaintingDataset(Dataset[InpaintingBatch]):
    """Gives one batch for a list of keys; crop, mirror and hole are draws of (seed, epoch, index).

    Args:
        photos: of one split.
        framing: photo of any size → square.
        masks: draws a hole.
        training: draw anew in each epoch; otherwise the centre of each photo, with a hole that is always the same.
        seed: of the draws.
    """

    def __init__(self, photos: Sequence[Photo], framing: Framing, masks: Shape, training: bool, seed: int = 0):
        self.photos, self.framing, self.masks = photos, framing, masks
        self.training, self.seed = training, seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, keys: list[Key]) -> InpaintingBatch:
        ids, images, masks, broken = [], [], [], []
        for key in keys:
            index, photo, unreadable = first_readable(self.photos, key.index)
            rng = np.random.default_rng((self.seed, key.epoch if self.training else 0, index))
            framed = self.framing.drawn(photo, rng) if self.training else self.framing.middle(photo)
            ids.append(self.photos[index].id)
            images.append(centred(framed))
            masks.append(self.masks(rng, framed.height, framed.width))
            broken += unreadable
        return collated(ids, images, masks, broken)
