"""Which words of a vocabulary are explained when an objective explains what a captioner says."""

import torch
from torch import Tensor

from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.vocabulary import SPECIALS, Vocabulary


def content_words(vocabulary: Vocabulary) -> Tensor:
    """Marks the words (V,) bool: True for every word but `<pad>`, `<start>`, `<end>`, `<unk>` and the stop words.

    Of pieces, those that are a stop word by themselves are none.
    """
    marks = [word not in STOP_WORDS for word in vocabulary.texts]
    return torch.tensor([mark and place >= len(SPECIALS) for place, mark in enumerate(marks)])
