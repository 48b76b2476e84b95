"""Words and their indices."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whysaid.data.words import words

PAD, START, END, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")


class Word(NamedTuple):
    """A word, and the places of its first and its last token in a caption."""

    text: str
    first: int
    last: int


class Vocabulary:
    """An ordered list of words; the first four are `<pad> <start> <end> <unk>`, at 0, 1, 2, 3.

    A plain list of strings is all there is to it, so a checkpoint stores `vocabulary.words`.
    """

    def __init__(self, words: Sequence[str]):
        """Raises ValueError unless `words` are texts that begin with the four specials, none of them there twice."""
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a vocabulary holds words alone")
        if tuple(words[:4]) != SPECIALS or len(set(words)) != len(words):
            raise ValueError(f"a vocabulary begins with {' '.join(SPECIALS)} and holds each word once")
        self.words = list(words)
        self.index = {word: i for i, word in enumerate(words)}

    @classmethod
    def build(cls, captions: Iterable[Sequence[str]], min_count: int) -> "Vocabulary":
        """Takes the words that occur in captions at least `min_count` times, most frequent first, then by name."""
        counts = Counter(word for caption in captions for word in caption)
        kept = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
        return cls([*SPECIALS, *kept])

    @property
    def texts(self) -> list[str]:
        """What each index is as text: the words themselves, or the text of pieces of words."""
        return self.words

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def encode(self, words: Iterable[str], max_length: int | None = None) -> list[int]:
        """`<start> w1 … wn <end>`; unknown words become `<unk>`.

        A caption of more than `max_length` words is cut and then has no `<end>`: it did not end there.
        """
        ids = [START, *(self.index.get(word, UNK) for word in words), END]
        if max_length is not None and len(ids) > max_length + 2:
            return ids[: max_length + 1]
        return ids

    def question(self, text: str) -> list[int]:
        """What a model reads of a question; unknown words become `<unk>`, and a question without words is one."""
        return [self.index.get(word, UNK) for word in words(text)] or [UNK]

    def joined(self, tokens: Sequence[int]) -> list[Word]:
        """The words of tokens that are read, whatever they are, and where they stand among these."""
        return [Word(self.words[i], place, place) for place, i in enumerate(tokens)]

    def located(self, ids: Iterable[int]) -> list[Word]:
        """The words up to `<end>`, without `<pad>` and `<start>`, and where they stand among the given tokens."""
        tokens = spoken(ids)
        joined = self.joined([i for _, i in tokens])
        return [Word(text, tokens[first][0], tokens[last][0]) for text, first, last in joined]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The same words as text alone."""
        return [word.text for word in self.located(ids)]


def spoken(ids: Iterable[int]) -> list[tuple[int, int]]:
    """The tokens up to `<end>`, without `<pad>` and `<start>`, each behind its place."""
    tokens = []
    for place, i in enumerate(ids):
        if i == END:
            break
        if i not in (PAD, START):
            tokens.append((place, i))
    return tokens
