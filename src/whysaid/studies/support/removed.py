"""Pictures without one of their objects, captioned anew: there the language expects what the picture does not show."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from tqdm import tqdm

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.instances import Instances
from whysaid.data.removal.removals import Removals
from whysaid.studies.common.captioned import CaptionedBatch, drawn, object_words
from whysaid.studies.common.changed import Changed, pictures_without, pixel_batch
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


class Without(NamedTuple):
    """Captions of changed pictures, and the B categories that have left them."""

    captioned: CaptionedBatch
    left: list[str | None]


def caption_without(
    task: Writer,
    data: CaptionData,
    instances: Instances,
    removals: Removals,
    images: int | None,
    seed: int,
    batch_size: int,
) -> Iterator[Without]:
    """Yields captions of pictures of the split `data.evaluated`, of each of which all objects of one category left.

    Args:
        task: captioner and decoding.
        data: as pixels.
        instances: the objects of the pictures; those without any that can leave are passed over.
        removals: says what can leave, and what takes its place.
        images: so many at most, drawn by `seed`; None takes all.
        seed: of the draws.
        batch_size: pictures captioned at once.
    """
    able = [image for image in data.images(data.evaluated) if instances.objects.get(image.id)]
    chosen = [able[i] for i in drawn(range(len(able)), images, seed)]
    log.info("captioning %d images without one of their objects", len(chosen), extra={"progress": True})
    looked_at = tqdm(chosen, desc="without an object", unit="image", disable=None)
    changed = pictures_without(looked_at, instances, removals, object_words(data), data.inputs.preprocessing, seed)
    while waiting := list(islice(changed, batch_size)):
        yield _captioned(task, waiting)


def _captioned(task: Writer, changed: Sequence[Changed]) -> Without:
    batch = pixel_batch(changed).to(task.device)
    with torch.no_grad():
        decoded, features = task.describe(batch)
    tokens = decoded.tokens[:, 0]
    captions = [task.vocabulary.decode(row) for row in tokens.tolist()]
    references = [one.image.captions for one in changed]
    return Without(CaptionedBatch(batch, features, tokens, captions, references), [one.category for one in changed])
