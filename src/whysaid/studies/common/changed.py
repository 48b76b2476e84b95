"""Pictures without one of their objects, as an encoder takes them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.images import Preprocessing, load_image
from whysaid.data.instances import Instances
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.removals import Removals
from whysaid.errors import UserError


class Changed(NamedTuple):
    """A picture without its objects of one category.

    Attributes:
        image: what it was made of.
        category: of what has left it; None where only a fill was put where nothing was.
        pixels: (3, H, W) as the encoder takes them.
    """

    image: CaptionedImage
    category: str | None
    pixels: torch.Tensor


def pictures_without(
    images: Iterable[CaptionedImage],
    instances: Instances,
    removals: Removals,
    words: ObjectWords,
    preprocessing: Preprocessing,
    seed: int,
    every: bool = False,
) -> Iterator[Changed]:
    """Yields each picture without one of its categories; pictures that nothing can leave are left out.

    Args:
        images: with their captions.
        instances: the objects in them.
        removals: says what can leave, and what takes its place.
        words: the table of object words.
        preprocessing: of the encoder.
        seed: of the draws.
        every: each picture without each of its categories in turn, and not without one that is drawn.
    """
    for image in images:
        rng = np.random.default_rng((seed, image.id))
        possible = removals.of(image, instances.objects.get(image.id, ()), words, preprocessing.size)
        if not possible:
            continue
        try:
            photo = load_image(image.path)
        except UserError:
            continue
        for removal in possible if every else [possible[int(rng.integers(len(possible)))]]:
            yield Changed(image, removal.category, preprocessing(removals.picture(photo, image.id, removal, rng)))


def pixel_batch(changed: Sequence[Changed]) -> CaptionBatch:
    """Makes changed pictures a batch without captions."""
    nothing = torch.zeros(len(changed), 1, 2, dtype=torch.int64)
    return CaptionBatch(
        torch.tensor([one.image.id for one in changed]), nothing, torch.stack([one.pixels for one in changed])
    )
