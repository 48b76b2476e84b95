"""Pictures without one of their objects, captioned anew: there the language expects what the picture does not show."""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.images import load_image
from whysaid.data.instances import Instances
from whysaid.data.removal.removals import Removals
from whysaid.errors import UserError
from whysaid.studies.common.captioned import CaptionedBatch, drawn, object_words
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
    preprocessing, words = data.inputs.preprocessing, object_words(data)
    able = [image for image in data.images(data.evaluated) if instances.objects.get(image.id)]
    chosen = [able[i] for i in drawn(range(len(able)), images, seed)]
    log.info("captioning %d images without one of their objects", len(chosen), extra={"progress": True})
    waiting: list[tuple[CaptionedImage, str | None, torch.Tensor]] = []
    for image in tqdm(chosen, desc="without an object", unit="image", disable=None):
        rng = np.random.default_rng((seed, image.id))
        possible = removals.of(image, instances.objects[image.id], words, preprocessing.size)
        if not possible:
            continue
        removal = possible[int(rng.integers(len(possible)))]
        try:
            photo = load_image(image.path)
        except UserError:
            continue
        pixels = preprocessing(removals.picture(photo, image.id, removal, rng))
        waiting.append((image, removal.category, pixels))
        if len(waiting) == batch_size:
            yield _captioned(task, waiting)
            waiting = []
    if waiting:
        yield _captioned(task, waiting)


def _captioned(task: Writer, changed: Sequence[tuple[CaptionedImage, str | None, torch.Tensor]]) -> Without:
    ids = torch.tensor([image.id for image, _, _ in changed])
    nothing = torch.zeros(len(changed), 1, 2, dtype=torch.int64)
    batch = CaptionBatch(ids, nothing, torch.stack([pixels for _, _, pixels in changed])).to(task.device)
    with torch.no_grad():
        decoded, features = task.describe(batch)
    tokens = decoded.tokens[:, 0]
    captions = [task.vocabulary.decode(row) for row in tokens.tolist()]
    references = [image.captions for image, _, _ in changed]
    return Without(
        CaptionedBatch(batch, features, tokens, captions, references), [category for _, category, _ in changed]
    )
