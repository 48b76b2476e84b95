"""Which words of a vocabulary are explained when an objective explains what a captioner says."""

import torch
from torch import Tensor

from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.vocabulary import SPECIALS, Vocabulary


def content_words(vocabulary: Vocabulary) -> Tensor:
    """Marks the words (V,) bool: True for every word but `<pad>`, `<start>`, `<end>`, `<unk>` and the stop words."""
    return torch.tensor([word not in STOP_WORDS and word not in SPECIALS for word in vocabulary.words])
