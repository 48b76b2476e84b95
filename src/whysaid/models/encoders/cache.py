"""Run an encoder once over many images and keep its features on disk.

R regions, D features.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from whysaid.data.features.store import missing_keys
from whysaid.data.features.writer import FeatureWriter
from whysaid.data.files.kept import Unkept, locked
from whysaid.data.images import Preprocessing, load_image
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.fingerprint import fingerprint

log = logging.getLogger(__name__)


def encoder_fingerprint(encoder: Encoder) -> str:
    """32 hexadecimal digits that change with the encoder's class, grid, preprocessing or any weight."""
    about = [type(encoder).__qualname__, encoder.dim, encoder.grid, encoder.preprocessing.to_dict()]
    return fingerprint(encoder, about)


class _Photos(Dataset[tuple[str, Tensor | None]]):
    """Keys of pictures and their preprocessed pixels, None in place of a file that cannot be read."""

    def __init__(self, paths: list[tuple[str, Path]], preprocessing: Preprocessing):
        self.paths, self.preprocessing = paths, preprocessing

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[str, Tensor | None]:
        key, path = self.paths[i]
        try:
            return key, self.preprocessing(load_image(path))
        except UserError:
            return key, None


def cache_features(
    encoder: Encoder, pictures: Mapping[str, Path], folder: str | Path, batch_size: int = 16, workers: int = 0
) -> list[str]:
    """Writes the features of images that `folder` does not hold yet, on the encoder's own device; may be repeated.

    Args:
        encoder: with a grid; run in evaluation mode and left in the mode it was in.
        pictures: key → file.
        folder: for a FeatureStore with this encoder's `encoder_fingerprint`. Of another encoder, it is built anew.
            Locked while written: a second process waits and finds the work done.
        batch_size: images.
        workers: processes that decode images; 0 decodes in this one.

    Returns:
        The keys of pictures that cannot be read; they are left out.

    Raises:
        Unkept: the folder lacks some and cannot be written.
    """
    if encoder.grid is None:
        raise UserError("these regions are not computed from images: prepare them as files")
    folder, mark = Path(folder), encoder_fingerprint(encoder)
    missing = missing_keys(folder, mark, pictures)
    if not missing:
        return []  # nothing is written: the folder may be one that can only be read
    with locked(folder, "lock") as writable:
        if writable:
            return _fill(encoder, pictures, folder, mark, batch_size, workers)
    if all(_Photos([(key, pictures[key])], encoder.preprocessing)[0][1] is None for key in missing):
        return missing
    raise Unkept(
        f"the features of {len(missing)} of {len(pictures)} pictures cannot be kept in {folder}: set data.cache_dir to "
        "a folder that can be written, or data.cache_features=false"
    )


def _fill(
    encoder: Encoder, pictures: Mapping[str, Path], folder: Path, mark: str, batch_size: int, workers: int
) -> list[str]:
    assert encoder.grid is not None
    shape = (encoder.grid[0] * encoder.grid[1], encoder.dim)
    with FeatureWriter(folder, mark, shape) as writer:
        paths = [(key, path) for key, path in pictures.items() if key not in writer]
        if paths:
            log.info("computing the features of %d images into %s", len(paths), folder, extra={"progress": True})
        photos = _Photos(paths, encoder.preprocessing)
        loader = DataLoader(
            photos,
            batch_size,
            num_workers=workers,
            collate_fn=list,
            generator=torch.Generator(),  # the loader's draws; a training draws the same with a cache or without
        )
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
def _write(encoder: Encoder, loader: DataLoader[tuple[str, Tensor | None]], writer: FeatureWriter) -> list[str]:
    device = next(encoder.parameters()).device
    broken: list[str] = []
    for items in tqdm(loader, desc="features", unit="batch", disable=None):
        broken += [key for key, image in items if image is None]
        readable = [(key, image) for key, image in items if image is not None]
        if readable:
            images = torch.stack([image for _, image in readable]).to(device)
            values = encoder(images).values.half().cpu().numpy()
            for (key, _), features in zip(readable, values, strict=True):
                writer.add(key, features)
    return broken
