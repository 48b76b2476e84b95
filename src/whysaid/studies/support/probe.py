"""The probe of support, fitted on training pictures."""

import logging

import torch
from tqdm import tqdm

from whysaid.attribution.support.presence import Presence, fit_presence, whole_picture
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.sampler import Key
from whysaid.errors import UserError
from whysaid.studies.common.captioned import drawn, object_words
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


@torch.no_grad()
def fit_probe(task: Writer, data: CaptionData, images: int, seed: int, batch_size: int) -> Presence | None:
    """Fits what tells from a captioner's features of a picture which objects its references mention.

    Args:
        task: of one captioner, in evaluation mode.
        data: whose training split is looked at.
        images: so many of its pictures at most, drawn by `seed`.
        seed: of the draw.
        batch_size: pictures encoded at once.

    Returns:
        None, with a line in the log, where the training pictures are not there or the captioner keeps nothing of single
        regions.
    """
    captioner, words = task.single_captioner, object_words(data)
    training = data.evaluating("train")
    split, dataset = training.images("train"), training.dataset("train")
    mentioned = {image.id: {name for said in image.captions for name in words.mentioned(said)} for image in split}
    chosen, pooled, labels = drawn(range(len(split)), images, seed), [], []
    log.info("looking at what %d training images show", len(chosen), extra={"progress": True})
    for start in tqdm(range(0, len(chosen), batch_size), desc="training images", unit="batch", disable=None):
        try:
            batch = dataset[[Key(0, i) for i in chosen[start : start + batch_size]]]
        except UserError as error:
            log.warning("training pictures cannot be read (%s): support does without presence", error)
            return None
        seen = whole_picture(captioner.features(batch.to(task.device)))
        if seen is None:
            log.warning("the captioner keeps nothing of single regions: support does without presence")
            return None
        pooled.append(seen.cpu())
        labels += [[name in mentioned[image_id] for name in words.categories] for image_id in batch.image_ids.tolist()]
    return fit_presence(torch.cat(pooled), torch.tensor(labels), words.categories)
