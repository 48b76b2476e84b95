"""The mean picture: what an encoder gives of training pictures, on average.

B images, R regions, D features.
"""

import logging

import torch
from torch import Tensor

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.dataset import PlainDataset
from whysaid.data.sampler import Key
from whysaid.models.explainable import Explainable

log = logging.getLogger(__name__)

IMAGES = 500
"""So many training pictures at most: their mean is within σ / 22 of that of all."""


def know_mean(model: Explainable, data: CaptionData) -> None:
    """Computes the mean of the training features of a model whose checkpoint holds none, and says so in the log.

    Raises:
        UserError: the training pictures are not there.
    """
    if model.mean_regions is None:
        pictures = data.pictures("train")
        log.info("the checkpoint holds no mean of its training features: it is computed from %s", data.name)
        model.mean_regions = mean_regions(model, pictures)


@torch.no_grad()
def mean_regions(model: Explainable, pictures: PlainDataset, images: int = IMAGES, batch_size: int = 50) -> Tensor:
    """The mean (R, D) float32 of the encoder's regions, place by place; without a grid, of all real regions.

    Args:
        model: its encoder runs in evaluation mode, and is left in the mode it was in.
        pictures: of the training split.
        images: so many at most, evenly spaced over the split.
        batch_size: images.
    """
    number = min(images, len(pictures))
    keys = [Key(0, i * len(pictures) // number) for i in range(number)]
    training, device = model.encoder.training, model.embedding.weight.device
    total, count = torch.zeros((), device=device), torch.zeros((), device=device)
    model.encoder.eval()
    try:
        for start in range(0, number, batch_size):
            batch = pictures[keys[start : start + batch_size]]
            values, mask = model.regions(batch.to(device))
            real = torch.ones(values.shape[:2], device=device) if mask is None else mask.float()
            total = total + (values.float() * real[..., None]).sum(0)
            count = count + real.sum(0)
    finally:
        model.encoder.train(training)
    if model.encoder.grid is None:
        total, count = total.sum(0).expand_as(total), count.sum().expand_as(count)
    return total / count.clamp(min=1)[:, None]
