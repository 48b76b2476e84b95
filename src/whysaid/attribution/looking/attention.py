"""Attention as an explanation: where the captioner looked as it wrote each word.

T words, h × w cells of the encoder's grid.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import PAD, Vocabulary
from whysaid.models.captioner import Captioner


class Attended(NamedTuple):
    """A caption's words, attention (T, h, w) of each, and the sentinel β (T,) where the captioner has one."""

    words: list[str]
    maps: NDArray[np.floating]
    sentinel: list[float] | None


@torch.no_grad()
def attend(
    captioner: Captioner, batch: CaptionBatch, captions: list[list[str]], vocabulary: Vocabulary
) -> list[Attended]:
    """The attention with which a captioner, in the mode it is in, writes one given caption of each image.

    Args:
        captioner: its encoder has a grid.
        batch: B images.
        captions: B lists of words.
        vocabulary: the captioner's.
    """
    assert captioner.encoder.grid is not None
    rows, columns = captioner.encoder.grid
    inputs = [torch.tensor(vocabulary.encode(words)[:-1], device=batch.image_ids.device) for words in captions]
    tokens = torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True, padding_value=PAD)
    unrolled = captioner.unroll(tokens, captioner.features(batch))
    attention = unrolled.attention.float().cpu().unflatten(-1, (rows, columns)).numpy()
    sentinel = None if unrolled.sentinel is None else unrolled.sentinel.float().cpu().tolist()
    return [
        Attended(words, attention[b, : len(words)], None if sentinel is None else sentinel[b][: len(words)])
        for b, words in enumerate(captions)
    ]
