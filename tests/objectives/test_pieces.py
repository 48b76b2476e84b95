"""What rewards and filters make of captions that are pieces of words."""

import numpy as np

from tests.models.transformers.tiny import word_piece
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import END, PAD, UNK, Vocabulary
from whysaid.decoding.filters import NoBadEnding
from whysaid.objectives.content_words import content_words
from whysaid.objectives.references import PiecesToWords


def pieces() -> PieceVocabulary:
    tokenizer = word_piece()
    size = len(tokenizer)  # type: ignore[arg-type]
    return PieceVocabulary(tokenizer, size, [0, tokenizer.bos_token_id, tokenizer.sep_token_id, 1])  # type: ignore[attr-defined]


def test_pieces_are_counted_as_words() -> None:
    own, words = pieces(), Vocabulary(["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "walking"])
    ended = [*own.pieces("a dog walking"), END]
    unended = own.pieces("a cat")
    rows = np.full((1, 2, 6), PAD, np.int32)
    rows[0, 0, : len(ended)], rows[0, 1, : len(unended)] = ended, unended
    assert len(ended) == 5
    assert PiecesToWords(own, words)(rows).tolist() == [[[4, 5, 6, END], [4, UNK, PAD, PAD]]]


def test_content_words_and_endings_go_by_the_text_of_a_piece() -> None:
    own = pieces()
    marks = content_words(own)
    assert not marks[own.pieces("a on the with")].any() and marks[own.pieces("dog ball red")].all()
    assert not marks[:4].any() and len(marks) == len(own)
    assert set(NoBadEnding(["a", "on", "of"], own).indices.tolist()) == set(own.pieces("a on"))
