"""Keeps in every checkpoint what training photos are like, so that the model can tell an unfamiliar one."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from whysaid.callbacks.lightning import data_of
from whysaid.data.features.familiarity import FEWEST
from whysaid.data.features.featured import Featured
from whysaid.data.images import Photo, load_image
from whysaid.errors import UserError
from whysaid.models.attention import masked_mean
from whysaid.models.encoders.encoder import Encoder
from whysaid.tasks.trained import Trained

log = logging.getLogger(__name__)


class FamiliarPhotos(Callback):
    """Stores the mean encoder output of some training photos as `familiar`, (N, D), from the first validation on.

    They are seen without augmentation: once with a frozen encoder, and at each validation with one that is trained.
    Nothing is stored where the encoder sees no photos, or where there are too few of these.

    Args:
        photos: N, of the training split, drawn by seed.
        batch_size: photos encoded at once.
        seed: of the draw.
    """

    def __init__(self, photos: int = 500, batch_size: int = 50, seed: int = 0):
        self.photos, self.batch_size, self.seed = photos, batch_size, seed
        self._vectors: Tensor | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Trained) -> None:  # type: ignore[override]
        known = self._vectors is not None and not pl_module.tune_encoder
        if trainer.sanity_checking or known or not trainer.is_global_zero or pl_module.encoder.grid is None:
            return
        data: Featured[Any] = data_of(trainer)
        images = data.images("train")
        drawn = np.random.default_rng(self.seed).permutation(len(images))[: self.photos]
        self._vectors = self._encoded(data, [images[i] for i in sorted(drawn)], pl_module.encoder, pl_module.device)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._vectors is not None:
            checkpoint["familiar"] = self._vectors

    @torch.no_grad()
    def _encoded(
        self, data: Featured[Any], images: Sequence[Photo], encoder: Encoder, device: torch.device
    ) -> Tensor | None:
        """The mean vectors (N, D) of the photos that can be read; None where these are too few."""
        modes = {module: module.training for module in encoder.modules()}
        starts = range(0, len(images), self.batch_size)
        try:
            encoder.eval()
            parts = [_means(data, images[i : i + self.batch_size], encoder, device) for i in starts]
        finally:
            for module, mode in modes.items():
                module.training = mode
        vectors = torch.cat(parts) if parts else torch.empty(0, encoder.dim)
        return vectors if len(vectors) >= FEWEST and vectors.isfinite().all() else None


def _means(data: Featured[Any], images: Sequence[Photo], encoder: Encoder, device: torch.device) -> Tensor:
    """The mean vectors of a few photos, from the features that are stored of them or from their pixels."""
    if data.features is not None:
        stored = [image for image in images if (image.id, image.path) in data.features.keys]  # those that can be read
        if not stored:
            return torch.empty(0, encoder.dim)
        mask = data.features.mask(stored)
        regions = torch.from_numpy(data.features.batch(stored)).float()
        return masked_mean(regions, None if mask is None else torch.from_numpy(mask))
    pixels = []
    for image in images:
        try:
            pixels.append(encoder.preprocessing(load_image(image.path)))
        except UserError as error:
            log.debug("%s", error)
    if not pixels:
        return torch.empty(0, encoder.dim)
    return masked_mean(*encoder(torch.stack(pixels).to(device))).float().cpu()
