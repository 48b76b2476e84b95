"""The words of a teacher-forced batch that are explained.

N rows (captions, image-major), T words, M explained words, H width of an output, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor

from whysaid.data.batch import CaptionBatch
from whysaid.models.explainable import Reading


@dataclass
class ExplainedWords:
    """M of the N · T places of a batch, and the word explained at each.

    batch: the images. inputs: (N, T) what was read. reading: of the captioner, with gradients. logits: (N, T, V).
    places: (N, T) bool, True at the M explained places. words: (M,) the word explained at each, in order of places.
    rows: its two indices, (M,) each.
    """

    batch: CaptionBatch
    inputs: Tensor
    reading: Reading
    logits: Tensor
    places: Tensor
    words: Tensor
    rows: tuple[Tensor, Tensor]
