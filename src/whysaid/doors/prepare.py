"""`python -m src.prepare data=NAME`: a data set's files, vocabulary, document frequencies and, if asked, features."""

import json
import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from whysaid.assemble.features import attach, feature_folder
from whysaid.data.captions.captioned_image import words
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.features.bottom_up import store_regions
from whysaid.data.features.featured import Featured
from whysaid.data.features.store import remove_damaged
from whysaid.data.files.acquire import Files
from whysaid.data.files.whole import write_whole
from whysaid.data.inpainting.datamodule import InpaintingData
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.splits import SPLITS
from whysaid.doors.cli import door
from whysaid.errors import UserError
from whysaid.models.encoders.cache import encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder

log = logging.getLogger(__name__)


@door("prepare")
def main(config: DictConfig) -> None:
    """Prepares what the configuration names and prints what is there."""
    table = prepare(config)
    logging.shutdown()
    if table is not None:
        Console().print(table)


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
    data: CaptionData | QuestionData | InpaintingData = instantiate(config.data)
    if isinstance(data, InpaintingData):
        return count(data)
    write_splits(data)
    table = describe_questions(data) if isinstance(data, QuestionData) else describe(data)
    if config.features or config.regions_file:
        prepare_features(config, data)
    return table


def count(data: InpaintingData) -> Table:
    """Split → images."""
    table = Table("split", "images", caption=data.name)
    for split in SPLITS:
        table.add_row(split, f"{len(data.images(split)):,}")
    return table


def write_splits(data: Featured[Any]) -> None:
    """Writes down which images are in which split: `splits.json` in the data set's cache folder."""
    ids = {split: [image.id for image in data.images(split)] for split in SPLITS}
    data.cache_dir.mkdir(parents=True, exist_ok=True)
    write_whole(data.cache_dir / "splits.json", json.dumps(ids) + "\n")


def describe(data: CaptionData) -> Table:
    """Split → images, captions, words, and the share of these words that are in the vocabulary (built if need be)."""
    vocabulary = data.corpus.vocabulary
    about = f"{data.name}: vocabulary of {len(vocabulary):,}: 4 marks and the words seen at least {data.min_count}×"
    table = Table("split", "images", "captions", "words", "coverage", caption=about, min_width=len(about))
    for split in SPLITS:
        images = data.images(split)
        captions = [words(caption) for image in images for caption in image.captions]
        count = sum(len(caption) for caption in captions)
        known = sum(word in vocabulary for caption in captions for word in caption)
        table.add_row(split, f"{len(images):,}", f"{len(captions):,}", f"{count:,}", f"{known / max(count, 1):.2%}")
    return table


def describe_questions(data: QuestionData) -> Table:
    """Split → images, questions, and the share of these whose commonest answer a model can give."""
    words_known, answers = len(data.vocabulary), data.answers
    about = f"{data.name}: {words_known:,} words of questions, 4 marks with them, and {len(answers):,} answers"
    table = Table("split", "images", "questions", "coverage", caption=about, min_width=len(about))
    for split in SPLITS:
        asked = data.questions(split).values()
        known = sum(question.answer in answers for question in asked)
        table.add_row(split, f"{len(data.images(split)):,}", f"{len(asked):,}", f"{known / max(len(asked), 1):.2%}")
    return table


def prepare_features(config: DictConfig, data: Featured[Any]) -> None:
    """Fills the cache of the encoder's features that training opens, on the GPU where there is one."""
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
        wanted = {image.id for split in SPLITS for image in data.images(split)}
        store_regions(Path(config.regions_file), folder, mark, encoder.dim, wanted)
    data.cache_features = True
    attach(data, encoder.to("cuda" if torch.cuda.is_available() else "cpu"))
