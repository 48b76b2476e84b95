"""A vocabulary, references and a captioner small enough to work out by hand."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch

from tests.attribution.tiny import photos, regions
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.document_frequency import DocumentFrequencies
from whysaid.data.vocabulary import END, PAD, SPECIALS, START, Vocabulary
from whysaid.data.words import words

VOCABULARY = Vocabulary([*SPECIALS, "a", "dog", "on", "cat", "ball"])
"""As many words as the captioners of tests.attribution.tiny have; `a` and `on` are stop words."""

STOP = {4, 6}

REFERENCES = {
    1: ["A dog on a ball.", "a dog", "a dog dog dog", "a cat on a dog on a cat"],
    2: ["a cat on a ball", "a green cat"],
    3: ["dog"],
}


def data(
    references: Mapping[int, Sequence[str]] = REFERENCES, vocabulary: Vocabulary = VOCABULARY, max_words: int = 8
) -> Any:
    """What objectives take of a data module."""
    encoded = [[vocabulary.encode(words(text), max_words) for text in texts] for texts in REFERENCES.values()]
    corpus = weighed_by(DocumentFrequencies.build(encoded, len(vocabulary))).corpus
    read: Callable[[str], Mapping[int, Sequence[str]]] = lambda split: references  # noqa: E731
    return SimpleNamespace(references=read, vocabulary=vocabulary, max_words=max_words, corpus=corpus)


def weighed_by(frequencies: DocumentFrequencies) -> Any:
    """What CIDEr-D takes of a data module."""
    return SimpleNamespace(corpus=SimpleNamespace(document_frequencies=frequencies))


def captions() -> torch.Tensor:
    """(2, 2, 6): two captions of the first image, one and a row of padding of the second."""
    rows = [[START, 4, 5, 6, 7, END], [START, 8, 5, END, PAD, PAD]], [[START, 7, 7, 8, END, PAD], [PAD] * 6]
    return torch.tensor(rows)


def with_regions() -> CaptionBatch:
    """Regions in place of pixels, one of them not real."""
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    return CaptionBatch(torch.tensor([1, 2]), captions(), regions=regions() * mask[..., None], mask=mask)


def with_photos() -> CaptionBatch:
    """Pixels."""
    return CaptionBatch(torch.tensor([1, 2]), captions(), images=photos(8))
