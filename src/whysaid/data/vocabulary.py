"""Words and their indices."""

from collections import Counter
from collections.abc import Iterable, Sequence

PAD, START, END, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")


class Vocabulary:
    """An ordered list of words; the first four are `<pad> <start> <end> <unk>`, at 0, 1, 2, 3.

    A plain list of strings is all there is to it, so a checkpoint stores `vocabulary.words`.
    """

    def __init__(self, words: Sequence[str]):
        """`words` must begin with the four specials and hold no word twice (ValueError)."""
        if tuple(words[:4]) != SPECIALS or len(set(words)) != len(words):
            raise ValueError(f"a vocabulary begins with {' '.join(SPECIALS)} and holds each word once")
        self.words = list(words)
        self.index = {word: i for i, word in enumerate(words)}

    @classmethod
    def build(cls, captions: Iterable[Sequence[str]], min_count: int) -> "Vocabulary":
        """From tokenised captions: words that occur at least `min_count` times, most frequent first, then by name."""
        counts = Counter(word for caption in captions for word in caption)
        kept = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
        return cls([*SPECIALS, *kept])

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

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words up to `<end>`, without `<pad>` and `<start>`."""
        words = []
        for i in ids:
            if i == END:
                break
            if i not in (PAD, START):
                words.append(self.words[i])
        return words
