"""Captioned images as batches.

B batch, K captions per image, T tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from whysaid.data.batch import CaptionBatch, ChangedPictures
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.encoded import EncodedCaptions
from whysaid.data.dataset import PictureDataset
from whysaid.data.features.pictures import PictureFeatures
from whysaid.data.images import Preprocessing
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.changes import Changes
from whysaid.data.sampler import Key
from whysaid.data.vocabulary import PAD, Vocabulary
from whysaid.data.words import words


class Changing(NamedTuple):
    """Changed pictures beside a batch's own: what draws them, and the table of what captions name."""

    changes: Changes
    words: ObjectWords


class CaptionDataset(PictureDataset[CaptionedImage, CaptionBatch]):
    """Images with their captions.

    Args:
        images, preprocessing, features: as of any pictures.
        vocabulary: encodes the captions.
        captions_per_image: K; where an image has more, K are drawn by (seed, epoch, index).
        max_words: captions are cut to this many words.
        seed: of the draw of captions.
        changing: gives each batch some of its pictures without an object, or None.
    """

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        vocabulary: Vocabulary,
        preprocessing: Preprocessing,
        captions_per_image: int,
        max_words: int,
        features: PictureFeatures | None = None,
        seed: int = 0,
        changing: Changing | None = None,
    ):
        super().__init__(images, preprocessing, features)
        self.captions_per_image = captions_per_image
        self.seed, self.changing = seed, changing
        self.captions = EncodedCaptions(
            [vocabulary.encode(words(caption), max_words) for caption in image.captions] for image in images
        )

    def text_batch(self, keys: Sequence[Key]) -> CaptionBatch:
        drawn = [self._draw(key) for key in keys]
        captions = [[self.captions.of(key.index, i) for i in chosen] for key, chosen in zip(keys, drawn, strict=True)]
        longest = max((len(caption) for own in captions for caption in own), default=1)
        tokens = torch.full((len(keys), self.captions_per_image, longest), PAD)
        for row, own in zip(tokens, captions, strict=True):
            for line, caption in zip(row, own, strict=False):
                line[: len(caption)] = caption
        batch = CaptionBatch(torch.tensor([self.images[key.index].id for key in keys]), tokens)
        batch.changed = self._changed(keys, drawn)
        return batch

    def _draw(self, key: Key) -> list[int]:
        """The captions of an image that a batch gets, by their places."""
        number = self.captions.number(key.index)
        if number <= self.captions_per_image:
            return list(range(number))
        generator = np.random.default_rng((self.seed, key.epoch, key.index))
        return generator.permutation(number)[: self.captions_per_image].tolist()

    def _changed(self, keys: Sequence[Key], drawn: Sequence[Sequence[int]]) -> ChangedPictures | None:
        if self.changing is None:
            return None
        images = [self.images[key.index] for key in keys]
        changed = self.changing.changes(images, keys)
        if changed is None:
            return None
        table = self.changing.words
        places = torch.full((len(changed.rows), self.captions_per_image), -1)
        for line, row, category in zip(places, changed.rows, changed.categories, strict=True):
            for k, i in enumerate(drawn[row]):
                said = table.located(" ".join(words(images[row].captions[i])))
                place = next((mention.first for mention in said if mention.category == category), -1)
                line[k] = place if place < len(self.captions.of(keys[row].index, i)) - 1 else -1  # not where it was cut
        numbers = [-1 if category is None else table.categories.index(category) for category in changed.categories]
        return ChangedPictures(changed.pictures, torch.tensor(changed.rows), torch.tensor(numbers), places)
