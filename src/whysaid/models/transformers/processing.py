"""The image processor of a model of transformers as a preprocessing, and where its tensor lies in the photo.

h × w pixels of the tensor.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from whysaid.data.images import Preprocessing, View

_MARK = 200
"""The third colour of the probe (of 255), which nothing that processors pad with has: black, white, mean colours."""


@dataclass(frozen=True)
class ProcessorPreprocessing(Preprocessing):
    """What a model's own image processor makes of a photo: it may crop and pad, and keep the photo's shape.

    Attributes:
        processor: an image processor of transformers.
    """

    processor: Any = field(kw_only=True, compare=False, repr=False)
    _views: dict[tuple[int, int], tuple[View, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, image: Image.Image) -> Tensor:
        """An RGB image of any size → (3, h, w) float32."""
        pixels: Tensor = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    @property
    def one_size(self) -> bool:
        shapes = {self(Image.new("RGB", size)).shape for size in ((64, 48), (48, 64), (64, 64))}
        return len(shapes) == 1

    def views(self, width: int, height: int) -> tuple[View, ...]:
        """What the tensor shows of a photo of this many pixels, found by a photo that tells its own coordinates.

        Good to a pixel of the tensor.
        """
        if (width, height) not in self._views:
            self._views[width, height] = (self.located(self(probe(width, height))),)
        return self._views[width, height]

    def located(self, seen: Tensor) -> View:
        """Where a processed probe (3, h, w) lies in the photo; what bears no mark is padding."""
        mean, std = self._statistics(seen)
        colours = seen * std + mean
        real = (colours[2] - _MARK / 255).abs() < 0.02
        left, right = _line(colours[0], real, 1)
        top, bottom = _line(colours[1], real, 0)
        return View((left, top, right, bottom))


def probe(width: int, height: int) -> Image.Image:
    """A photo whose first two colours grow from left to right and from top to bottom."""
    columns, rows = (np.arange(side) + 0.5 for side in (width, height))
    colours = np.empty((height, width, 3), np.uint8)
    colours[..., 0] = np.round(255 * columns / width)
    colours[..., 1] = np.round(255 * rows / height)[:, None]
    colours[..., 2] = _MARK
    return Image.fromarray(colours)


def _line(shares: Tensor, real: Tensor, axis: int) -> tuple[float, float]:
    """Both ends of one axis of a tensor (h, w) in shares of the photo's, by the straight line through its pixels."""
    places = (torch.nonzero(real)[:, axis] + 0.5).double()
    values = shares[real].double()
    centred = places - places.mean()
    slope = float((centred * values).sum() / (centred * centred).sum())
    start = float(values.mean()) - slope * float(places.mean())
    ends = start, start + slope * shares.shape[axis]
    near = max(slope / 2, 1 / 256)  # half a pixel, or a step of the probe's colours
    return _snapped(ends[0], near), _snapped(ends[1], near)


def _snapped(end: float, near: float) -> float:
    """The photo's own edge, 0 or 1, where an end lies next to it."""
    edge = float(round(end))
    return edge if edge in (0.0, 1.0) and abs(end - edge) <= near else end
