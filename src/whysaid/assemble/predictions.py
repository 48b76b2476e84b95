"""Makes what scores the captions of a file, whatever system wrote them: no checkpoint is needed."""

import logging
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from whysaid.data.captions.caption_files import by_reference, read_predictions, read_references
from whysaid.errors import UserError
from whysaid.tasks.predicted import Predicted, PredictedData

log = logging.getLogger(__name__)

COCO_OBJECTS = {"_target_": "whysaid.data.object_words.coco_objects"}
"""What counts as an object where no data set is chosen."""


def build_evaluation(config: DictConfig) -> tuple[Predicted, PredictedData, DictConfig]:
    """Makes what evaluates the captions in `config.predictions` by those in `config.references`.

    Returns:
        The module, the data, and the configuration, in which object words are those of the `data` that was chosen, or
        else COCO's.

    Raises:
        UserError: a checkpoint or a study is asked for too, there are no references, or a file cannot be read.
    """
    if OmegaConf.select(config, "ckpt", throw_on_missing=False) is not None:
        raise UserError("captions of a file are scored without a model: leave ckpt= out, or predictions=")
    if config.get("study"):
        raise UserError("a study looks into a model: give ckpt=PATH in place of predictions=")
    if config.references is None:
        raise UserError("captions are compared with what people wrote: give references=FILE beside predictions=")
    references = read_references(Path(config.references))
    captions = by_reference(read_predictions(Path(config.predictions)), references)
    unscored = len(references.captions.keys() - captions.keys())
    if unscored:
        log.warning(
            "%d of %d images have no predicted caption: they are not scored", unscored, len(references.captions)
        )
    merged = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    assert isinstance(merged, DictConfig)
    merged.ckpt = merged.decoding = None
    objects_of_data = config.data.object_words if "_target_" in config.data else COCO_OBJECTS
    cache_dir = config.data.get("cache_dir") or f"{config.paths.data_dir}/cache/predictions"
    merged.data = {"root": config.data.get("root"), "object_words": objects_of_data, "cache_dir": cache_dir}
    objects = instantiate(merged.data.object_words)
    return Predicted(captions), PredictedData(list(captions), references.captions, objects, config.split), merged
