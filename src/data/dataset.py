"""Captioned images to batches.

B batch, K captions per image, T tokens.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.data.batch import CaptionBatch
from src.data.captions import CaptionedImage, words
from src.data.features import FeatureStore
from src.data.images import Preprocessing, load_image
from src.data.sampler import Key
from src.data.vocabulary import PAD, Vocabulary
from src.errors import UserError

log = logging.getLogger(__name__)


class CaptionDataset(Dataset[CaptionBatch]):
    """Indexed by a list of keys, it gives one batch: reading whole batches is what the feature store is quick at.

    Args:
        images: of one split.
        vocabulary: encodes the captions.
        preprocessing: photo to tensor.
        captions_per_image: K; where an image has more, K are drawn by (seed, epoch, index).
        max_words: captions are cut to this many words.
        features: cached encoder features in place of pixels, or None.
        seed: of the draw of captions.
    """

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        vocabulary: Vocabulary,
        preprocessing: Preprocessing,
        captions_per_image: int,
        max_words: int,
        features: FeatureStore | None = None,
        seed: int = 0,
    ):
        self.images = images
        self.preprocessing = preprocessing
        self.captions_per_image = captions_per_image
        self.features = features
        self.seed = seed
        self.captions = [
            [torch.tensor(vocabulary.encode(words(caption), max_words)) for caption in image.captions]
            for image in images
        ]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, keys: list[Key]) -> CaptionBatch:
        if self.features is not None:
            ids = [self.images[key.index].id for key in keys]
            mask = self.features.mask(ids)
            batch = self._captions(keys)
            batch.regions = torch.from_numpy(self.features.batch(ids))
            batch.mask = None if mask is None else torch.from_numpy(mask)
            return batch
        loaded = [self._load(key) for key in keys]
        batch = self._captions([key for key, _, _ in loaded])
        batch.images = torch.stack([pixels for _, pixels, _ in loaded])
        batch.broken = [name for _, _, names in loaded for name in names]
        return batch

    def _captions(self, keys: Sequence[Key]) -> CaptionBatch:
        drawn = [self._draw(key) for key in keys]
        longest = max(len(caption) for captions in drawn for caption in captions)
        tokens = torch.full((len(keys), self.captions_per_image, longest), PAD)
        for row, captions in zip(tokens, drawn, strict=True):
            for line, caption in zip(row, captions, strict=False):
                line[: len(caption)] = caption
        return CaptionBatch(torch.tensor([self.images[key.index].id for key in keys]), tokens)

    def _draw(self, key: Key) -> list[Tensor]:
        captions = self.captions[key.index]
        if len(captions) <= self.captions_per_image:
            return captions
        generator = np.random.default_rng((self.seed, key.epoch, key.index))
        return [captions[i] for i in generator.permutation(len(captions))[: self.captions_per_image]]

    def _load(self, key: Key) -> tuple[Key, Tensor, list[str]]:
        """The pixels of an image, or of the next one that can be read, and the names of those that cannot."""
        broken: list[str] = []
        for offset in range(len(self.images)):
            chosen = Key(key.epoch, (key.index + offset) % len(self.images))
            try:
                return chosen, self.preprocessing(load_image(self.images[chosen.index].path)), broken
            except UserError:
                broken.append(str(self.images[chosen.index].path))
        raise UserError(f"none of {len(self.images)} images can be read, the first is {broken[0]}")
