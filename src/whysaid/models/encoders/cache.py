"""Run an encoder once over many images and keep its features on disk.

R regions, D features.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from whysaid.data.features.store import FeatureWriter
from whysaid.data.images import Preprocessing, load_image
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder

log = logging.getLogger(__name__)


def encoder_fingerprint(encoder: Encoder) -> str:
    """32 hexadecimal digits that change with the encoder's class, grid, preprocessing or any weight."""
    digest = hashlib.blake2b(digest_size=16)
    about = [type(encoder).__qualname__, encoder.dim, encoder.grid, encoder.preprocessing.to_dict()]
    digest.update(json.dumps(about).encode())
    for name, value in sorted(encoder.state_dict().items()):
        if not name.endswith("num_batches_tracked"):  # no feature depends on it, and not every weights file has it
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class _Photos(Dataset[tuple[int, Tensor | None]]):
    """Image ids and their preprocessed pixels, None in place of a file that cannot be read."""

    def __init__(self, paths: list[tuple[int, Path]], preprocessing: Preprocessing):
        self.paths, self.preprocessing = paths, preprocessing

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[int, Tensor | None]:
        image_id, path = self.paths[i]
        try:
            return image_id, self.preprocessing(load_image(path))
        except UserError:
            return image_id, None


def cache_features(
    encoder: Encoder, image_paths: Mapping[int, Path], folder: str | Path, batch_size: int = 16, workers: int = 0
) -> list[int]:
    """Writes the features of images that `folder` does not hold yet, on the encoder's own device; may be repeated.

    Args:
        encoder: with a grid; run in evaluation mode and left in the mode it was in.
        image_paths: image id → file.
        folder: for a FeatureStore with this encoder's `encoder_fingerprint`. Of another encoder, it is built anew.
            Locked while written: a second process waits and finds the work done.
        batch_size: images.
        workers: processes that decode images; 0 decodes in this one.

    Returns the ids of images that cannot be read; they are left out.
    """
    if encoder.grid is None:
        raise UserError("these regions are not computed from images: prepare them as files")
    Path(folder).mkdir(parents=True, exist_ok=True)
    shape = (encoder.grid[0] * encoder.grid[1], encoder.dim)
    with FileLock(Path(folder) / "lock"), FeatureWriter(folder, encoder_fingerprint(encoder), shape) as writer:
        paths = [(image_id, path) for image_id, path in image_paths.items() if image_id not in writer]
        if paths:
            log.info("computing the features of %d images into %s", len(paths), folder, extra={"progress": True})
        photos = _Photos(paths, encoder.preprocessing)
        loader = DataLoader(photos, batch_size, num_workers=workers, collate_fn=list)
        training = encoder.training
        encoder.eval()
        try:
            broken = _write(encoder, loader, writer)
        finally:
            encoder.train(training)
        if paths:
            log.info("computed the features of %d images", len(paths) - len(broken), extra={"progress": True})
        return broken


@torch.inference_mode()
def _write(encoder: Encoder, loader: DataLoader[tuple[int, Tensor | None]], writer: FeatureWriter) -> list[int]:
    device = next(encoder.parameters()).device
    broken: list[int] = []
    for items in tqdm(loader, desc="features", unit="batch", disable=None):
        broken += [image_id for image_id, image in items if image is None]
        readable = [(image_id, image) for image_id, image in items if image is not None]
        if readable:
            images = torch.stack([image for _, image in readable]).to(device)
            values = encoder(images).values.half().cpu().numpy()
            for (image_id, _), features in zip(readable, values, strict=True):
                writer.add(image_id, features)
    return broken
