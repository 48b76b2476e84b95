"""Captioned images as batches.

B batch, K captions per image, T tokens.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage, words
from whysaid.data.dataset import PictureDataset
from whysaid.data.features.store import FeatureStore
from whysaid.data.images import Preprocessing
from whysaid.data.sampler import Key
from whysaid.data.vocabulary import PAD, Vocabulary


class CaptionDataset(PictureDataset[CaptionedImage, CaptionBatch]):
    """Images with their captions.

    Args:
        images, preprocessing, features: as of any pictures.
        vocabulary: encodes the captions.
        captions_per_image: K; where an image has more, K are drawn by (seed, epoch, index).
        max_words: captions are cut to this many words.
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
        super().__init__(images, preprocessing, features)
        self.captions_per_image = captions_per_image
        self.seed = seed
        self.captions = [
            [torch.tensor(vocabulary.encode(words(caption), max_words)) for caption in image.captions]
            for image in images
        ]

    def text_batch(self, keys: Sequence[Key]) -> CaptionBatch:
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
