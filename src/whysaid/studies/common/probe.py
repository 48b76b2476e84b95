"""The probe that tells what a picture shows, fitted on training pictures."""

import logging
from collections.abc import Sequence
from itertools import islice

import torch
from tqdm import tqdm

from whysaid.attribution.support.presence import Presence, fit_presence, whole_picture
from whysaid.data.annotated import read_instances
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.removal.removals import Removals
from whysaid.data.sampler import Key
from whysaid.errors import UserError
from whysaid.studies.common.captioned import drawn, object_words
from whysaid.studies.common.changed import pictures_without, pixel_batch
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


@torch.no_grad()
def fit_probe(
    task: Writer, data: CaptionData, removal: Removals | None, images: int, seed: int, batch_size: int
) -> Presence | None:
    """Fits what tells from a captioner's features of a picture which objects its references mention.

    In training pictures some objects usually come together, and a probe of these alone would take one for the other. So
    it learns from the same pictures without each of their objects too, as far as they have annotated objects that can
    leave.

    Args:
        task: of one captioner, in evaluation mode.
        data: whose training split is looked at.
        removal: makes pictures without an object; None takes pictures as they are alone.
        images: so many of its pictures at most, drawn by `seed`.
        seed: of the draws.
        batch_size: pictures encoded at once.

    Returns:
        None, with a line in the log, where the training pictures are not there or the captioner keeps nothing of single
        regions.
    """
    captioner, words = task.single_captioner, object_words(data)
    training = data.evaluating("train")
    split, dataset = training.images("train"), training.dataset("train")
    chosen = drawn(range(len(split)), images, seed)
    mentioned = {split[i].id: {name for said in split[i].captions for name in words.mentioned(said)} for i in chosen}
    numbers = {image_id: number for number, image_id in enumerate(mentioned)}
    pooled, labels, origins = [], [], []

    def look(batch: CaptionBatch, without: Sequence[str | None]) -> bool:
        seen = whole_picture(captioner.features(batch.to(task.device)))
        if seen is None:
            log.warning("the captioner keeps nothing of single regions: support does without presence")
            return False
        pooled.append(seen.cpu())
        for image_id, left in zip(batch.image_ids.tolist(), without, strict=True):
            labels.append([name in mentioned[image_id] and name != left for name in words.categories])
            origins.append(numbers[image_id])
        return True

    log.info("looking at what %d training images show", len(chosen), extra={"progress": True})
    for start in tqdm(range(0, len(chosen), batch_size), desc="training images", unit="batch", disable=None):
        try:
            batch = dataset[[Key(0, i) for i in chosen[start : start + batch_size]]]
        except UserError as error:
            log.warning("training pictures cannot be read (%s): support does without presence", error)
            return None
        if not look(batch, [None] * len(batch.image_ids)):
            return None
    if removal is not None:
        taken = [split[i] for i in chosen]
        looked_at = tqdm(taken, desc="training images without an object", unit="image", disable=None)
        changed = pictures_without(
            looked_at, read_instances(taken), removal, words, training.inputs.preprocessing, seed, every=True
        )
        while waiting := list(islice(changed, batch_size)):
            look(pixel_batch(waiting), [one.category for one in waiting])
    return fit_presence(torch.cat(pooled), torch.tensor(labels), words.categories, torch.tensor(origins))
