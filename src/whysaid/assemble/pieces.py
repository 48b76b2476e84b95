"""How the words of a sentence are made of pieces, for models that read and write pieces of words."""

from collections.abc import Sequence

from whysaid.attribution.sentence import Pieces
from whysaid.data.vocabulary import Vocabulary, Word


def pieces_of(vocabulary: Vocabulary, said: Sequence[Sequence[int]], read: Sequence[int], words: list[Word]) -> Pieces:
    """The pieces of words that were said and of those that were read.

    Args:
        vocabulary: of the pieces.
        said: T lists of tokens, those of each explained word.
        read: the tokens that were read.
        words: those that these make. What stands between two words, such as a space, counts as part of the first.
    """
    return Pieces(
        [[vocabulary.words[i] for i in tokens] for tokens in said],
        [vocabulary.words[i] for i in read],
        [0, *(word.first for word in words[1:])],
    )
