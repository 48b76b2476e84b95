"""Which words of a vocabulary name, or begin to name, an object.

C categories, V vocabulary.
"""

import torch
from torch import Tensor

from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import Vocabulary


def object_vocabulary(words: ObjectWords, vocabulary: Vocabulary) -> Tensor:
    """Marks (C, V) bool the words that name each category of the table, and the first words of phrases that do."""
    rows = {category: row for row, category in enumerate(words.categories)}
    marks = torch.zeros(len(rows), len(vocabulary), dtype=torch.bool)
    for form, category in words.forms.items():
        if category is not None and form[0] in vocabulary:
            marks[rows[category], vocabulary.index[form[0]]] = True
    return marks
