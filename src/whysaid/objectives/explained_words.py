"""The words of a teacher-forced batch that are explained.

N rows (captions, image-major), T words, M explained words, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor

from whysaid.data.batch import CaptionBatch
from whysaid.models.explainable import Reading


@dataclass
class ExplainedWords:
    """M of the N · T places of a batch, and the word explained at each.

    Attributes:
        batch: the images.
        inputs: (N, T) int64, the words that the captioner read.
        reading: what it made of them, with gradients.
        logits: (N, T, V), with gradients.
        places: (N, T) bool, True at the M explained places.
        words: (M,) int64, the word explained at each, in order of places.
        rows: the row and the column of each place, (M,) int64 each.
    """

    batch: CaptionBatch
    inputs: Tensor
    reading: Reading
    logits: Tensor
    places: Tensor
    words: Tensor
    rows: tuple[Tensor, Tensor]
