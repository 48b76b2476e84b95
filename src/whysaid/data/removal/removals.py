"""Training pictures without one of their objects: what is taken out, what takes its place, and which of them a batch
gets."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.images import Preprocessing
from whysaid.data.instances import Instance, Instances
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.fills import Fill
from whysaid.data.removal.objects import Removal, Sizes, empty_place, removals
from whysaid.data.sampler import Key
from whysaid.errors import UserError


class Removals:
    """Which objects leave training pictures, and how.

    Args:
        fill: what is put in their place.
        negatives: share of the changed pictures that have the fill where no object was, in [0, 1): a captioner must not
            learn to see the fill in place of the absence.
        most: categories of a picture that may leave it, one in each changed picture; more are drawn among.
        smallest, largest, dilate: as `Sizes` takes them.
        cached: make every changed picture once and keep it on disk, and its features beside those of the pictures;
            False fills them anew whenever they are drawn, by the processes that load pictures.
        seed: of the draws that are made once.

    Raises:
        UserError: a setting is outside of its range.
    """

    def __init__(
        self,
        fill: Fill,
        negatives: float = 0.25,
        most: int = 4,
        smallest: float = 0.003,
        largest: float = 0.4,
        dilate: float = 6.0,
        cached: bool = True,
        seed: int = 0,
    ):
        if not 0 <= negatives < 1 or most < 1:
            raise UserError(f"data.removal takes 0 ≤ negatives < 1 and most ≥ 1, not {negatives} and {most}")
        self.fill, self.negatives, self.most, self.cached, self.seed = fill, negatives, most, cached, seed
        self.sizes = Sizes(smallest, largest, dilate)

    def of(self, image: CaptionedImage, objects: Sequence[Instance], words: ObjectWords, side: int) -> list[Removal]:
        """What may leave a picture: at most `most` categories that its captions name, and a place that is empty.

        Args:
            image: with its captions.
            objects: annotated in it.
            words: tells which categories captions name.
            side: of the square that the encoder sees, pixels.
        """
        named = {category for caption in image.captions for category in words.mentioned(caption)}
        rng = np.random.default_rng((self.seed, image.id))
        possible = removals(objects, named, side, self.sizes)
        chosen = [possible[i] for i in sorted(rng.permutation(len(possible))[: self.most])]
        if chosen and self.negatives and self.fill.everywhere:
            empty = empty_place(objects, chosen, self.sizes, rng)
            return chosen if empty is None else [*chosen, empty]
        return chosen

    def picture(self, photo: Image.Image, image_id: int, removal: Removal, rng: np.random.Generator) -> Image.Image:
        """The photo, resized to the square that the encoder sees, without what leaves it."""
        size = removal.hole.shape
        if photo.size != size:
            photo = photo.resize(size, Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() / 255
        filled = self.fill(pixels, image_id, removal, rng)
        return Image.fromarray((filled * 255).round().byte().permute(1, 2, 0).numpy())

    def mark(self, images: Sequence[CaptionedImage], objects: Mapping[int, Sequence[Instance]], side: int) -> str:
        """Twelve hexadecimal digits that change with whatever changes the pictures that are made."""
        settings = (self.fill.mark, self.negatives > 0, self.most, self.sizes, self.seed, side)
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=6)
        for image in images:
            own = [(thing.id, thing.category, thing.box) for thing in objects.get(image.id, ())]
            digest.update(repr((image.id, image.captions, own)).encode())
        return digest.hexdigest()

    def draw(self, negative: Sequence[bool], rng: np.random.Generator) -> int:
        """Draws one of a picture's changes, of which at most one is negative: its place among them."""
        kinds = np.array(negative)
        wanted = bool(rng.random() < self.negatives) if kinds.any() and not kinds.all() else bool(kinds.all())
        return int(rng.choice(np.flatnonzero(kinds == wanted)))


class World(NamedTuple):
    """What removals are found in.

    Attributes:
        images: of the training split.
        instances: the objects in them.
        words: the table of object words.
        preprocessing: of the encoder.
    """

    images: Sequence[CaptionedImage]
    instances: Instances
    words: ObjectWords
    preprocessing: Preprocessing


def epoch_draw(seed: int, key: Key) -> np.random.Generator:
    """The draws of one picture in one epoch."""
    return np.random.default_rng((seed, key.epoch, key.index, 1))
