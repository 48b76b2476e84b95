"""Attention as an explanation: where a captioner looked as it wrote each word.

B images, T explained words, S input tokens, R regions, h × w cells of the encoder's grid.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.grid import on_pixels
from whysaid.attribution.method import Explanation
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import PAD, Vocabulary
from whysaid.models.captioner import Captioner


class Attention(SharedPassMethod):
    """The weight of each region, (1 − β)α where there is a sentinel; it says nothing of words, which are all 0."""

    signed = False
    shares = True

    def explain(self, passes: SharedPasses) -> Explanation:
        return of_image_alone(passes, passes.attention, on_pixels(passes.attention, passes))


def of_image_alone(passes: SharedPasses, regions: Tensor, pixels: Tensor | None) -> Explanation:
    """Makes the explanation by a method that says nothing of words and claims no sum.

    Args:
        passes: of the model.
        regions: (B, T, R).
        pixels: (B, T, C, H, W), or None where there are no images.
    """
    words = regions.new_zeros(*regions.shape[:2], passes.inputs.embedded.shape[1])
    return Explanation(pixels, regions, words, passes.zero_residual)


class Attended(NamedTuple):
    """The attention with which one caption was written.

    Attributes:
        words: T words.
        maps: (T, h, w) attention of each.
        sentinel: T values of β, or None where the captioner has no sentinel.
    """

    words: list[str]
    maps: NDArray[np.floating]
    sentinel: list[float] | None


@torch.no_grad()
def attend(
    captioner: Captioner,
    batch: CaptionBatch,
    captions: list[list[str]],
    vocabulary: Vocabulary,
    features: Any = None,
) -> list[Attended]:
    """Reads off the attention with which a captioner, in the mode it is in, writes a given caption of each image.

    Args:
        captioner: its encoder has a grid.
        batch: B images.
        captions: B lists of words.
        vocabulary: the captioner's.
        features: of the images, where they are known; None encodes them.
    """
    size = None if batch.images is None else (batch.images.shape[-2], batch.images.shape[-1])
    inputs = [torch.tensor(vocabulary.encode(words)[:-1], device=batch.image_ids.device) for words in captions]
    tokens = torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True, padding_value=PAD)
    unrolled = captioner.unroll(tokens, captioner.features(batch) if features is None else features)
    attention = captioner.encoder.on_grid(unrolled.attention, size).float().cpu().numpy()
    sentinel = None if unrolled.sentinel is None else unrolled.sentinel.float().cpu().tolist()
    return [
        Attended(words, attention[b, : len(words)], None if sentinel is None else sentinel[b][: len(words)])
        for b, words in enumerate(captions)
    ]
