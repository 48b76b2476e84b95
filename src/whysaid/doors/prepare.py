"""`python -m src.prepare data=NAME`: a data set's files, vocabulary, document frequencies and, if asked, features."""

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from whysaid.assemble.features import cached_features, feature_folder, keys_of
from whysaid.data.annotated import read_instances
from whysaid.data.features.bottom_up import store_regions
from whysaid.data.features.featured import ModelInputs
from whysaid.data.features.index import remove_damaged
from whysaid.data.files.acquire import Files
from whysaid.data.instances import Detector
from whysaid.data.removal.known import FOUND, find_objects
from whysaid.data.splits import Splits
from whysaid.doors.cli import door
from whysaid.errors import UserError
from whysaid.models.encoders.cache import encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder
from whysaid.run.printable import Printer

log = logging.getLogger(__name__)


@door("prepare")
def main(config: DictConfig) -> None:
    """Prepares what the configuration names and prints what is there."""
    table = prepare(config)
    logging.shutdown()
    if table is not None:
        Printer().print(table)


def prepare(config: DictConfig) -> Table | None:
    """The tools of `metrics`, then the data set and the features; may be repeated, and goes on where it was stopped.

    Returns the table of the splits, or None where no data set is named.
    """
    if config.get("metrics"):
        log.info("the tools of the metrics are in %s", instantiate(config.metrics))
    if not OmegaConf.select(config, "data._target_"):
        if not config.get("metrics"):
            raise UserError("nothing to prepare: name a data set, as in data=coco, or metrics=spice")
        return None
    if config.get("files"):
        files: Files = instantiate(config.files)
        files.fetch()
    data: Splits[Any] = instantiate(config.data)
    data.note_splits()
    table = data.summary()
    if config.masks:
        prepare_masks(config, data)
    if config.features or config.regions_file:
        prepare_features(config, data)
    return table


def prepare_masks(config: DictConfig, data: Any) -> None:
    """Has the detector find the objects of training pictures that nobody has annotated; on a GPU where there is one."""
    if not data.takes_features:
        raise UserError(f"{data.name} are pictures without captions, whose objects nothing names: leave out masks=true")
    images = data.images("train")
    annotated = read_instances(images).covered
    plain = [image for image in images if image.id not in annotated]
    detector: Detector = instantiate(config.detector)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    number = find_objects(plain, detector, data.cache_dir / FOUND, device)
    log.info("%d objects are known of the %d training pictures that are not annotated", number, len(plain))


def prepare_features(config: DictConfig, data: Any) -> None:
    """Fills the cache of the encoder's features that training opens, on the GPU where there is one."""
    if not data.takes_features:
        raise UserError(f"{data.name} are seen as pixels, never as features: leave out features=true")
    if not config.get("encoder"):
        raise UserError("features need an encoder: add encoder=vgg16, or regions_file's encoder=regions")
    pl.seed_everything(config.seed, workers=True, verbose=False)
    encoder: Encoder = instantiate(config.encoder)
    if config.regions_file and encoder.grid is not None:
        raise UserError("regions_file goes with encoder=regions: other encoders compute their features from the images")
    mark = encoder_fingerprint(encoder)
    folder = feature_folder(data, encoder, mark)
    for name in remove_damaged(folder):
        log.warning("%s was damaged: its features are made again", folder / name)
    if config.regions_file:
        store_regions(Path(config.regions_file), folder, mark, encoder.dim, keys_of(data, encoder))
    features, unreadable = cached_features(encoder.to("cuda" if torch.cuda.is_available() else "cpu"), data)
    data.for_model(ModelInputs(encoder.preprocessing, features), unreadable)  # refuses where too many are unreadable
