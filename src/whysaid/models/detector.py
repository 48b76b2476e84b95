"""Objects of photos that nobody has annotated.

H, W pixels of a photo; N objects found.
"""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2
from torchvision.transforms.functional import pil_to_tensor

from whysaid.data.instances import Instance
from whysaid.models.encoders.weights import load_weights

PUBLISHED = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1

SEEN = 0.5
"""Probability from which a pixel belongs to an object."""


class MaskRCNN:
    """torchvision's Mask R-CNN (ResNet-50-FPN v2, 46 M parameters) of COCO's 80 categories.

    The network is built when the first photo comes.

    Args:
        weights: `coco` (torchvision's, downloaded once, 177 MB), the path of a `.pth` or `.safetensors` file with them,
            or None for random ones.
        least: score of an object from which it counts, in [0, 1].
        shorter_side: pixels to which photos are resized; published: 800.
    """

    def __init__(self, weights: str | None = "coco", least: float = 0.7, shorter_side: int = 800):
        self.weights, self.least, self.shorter_side = weights, least, shorter_side
        self._network: nn.Module | None = None

    @property
    def categories(self) -> list[str]:
        """The names of what may be found."""
        return [name for name in PUBLISHED.meta["categories"] if name not in ("__background__", "N/A")]

    @torch.no_grad()
    def __call__(self, photo: Image.Image, device: torch.device | str = "cpu") -> list[Instance]:
        """The N objects of an RGB photo, the surest first, outlined; numbered from 1.

        Raises UserError where the weights cannot be had or do not fit.
        """
        if self._network is None:
            self._network = self._built()
        pixels = pil_to_tensor(photo).to(device) / 255
        (detected,) = self._network.to(device)([pixels])
        return objects(detected, (photo.height, photo.width))

    def _built(self) -> nn.Module:
        network = maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, min_size=self.shorter_side, box_score_thresh=self.least
        )
        load_weights(network, self.weights, PUBLISHED.get_state_dict, (), published="coco", key="detector.weights")
        return network.eval()


def objects(detected: Mapping[str, Tensor], size: tuple[int, int]) -> list[Instance]:
    """Makes objects of what torchvision's detectors return of a photo of `size` (H, W).

    Args:
        detected: boxes (N, 4) as left, top, right, bottom in pixels; labels (N,) int64; masks (N, 1, H, W) in [0, 1].
    """
    names = PUBLISHED.meta["categories"]
    instances = []
    for i, (box, label, mask) in enumerate(zip(detected["boxes"], detected["labels"], detected["masks"], strict=True)):
        inside = (mask[0] >= SEEN).cpu().numpy()
        left, top, right, bottom = box.tolist()
        code = coco_mask.encode(np.asfortranarray(inside, np.uint8)) if inside.any() else None
        instances.append(Instance(i + 1, names[int(label)], (left, top, right - left, bottom - top), size, code))
    return instances
