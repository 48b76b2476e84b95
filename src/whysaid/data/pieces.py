"""A vocabulary of word pieces, those of a tokenizer, and how pieces are joined to words."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from whysaid.data.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary, Word

_WORD = re.compile(r"\w\S*\w|\w|[^\w\s]+")
"""What counts as a word of a decoded text: what white space separates, punctuation at its ends apart."""


class PieceVocabulary(Vocabulary):
    """The tokens of a language model under indices of this project: `<pad> <start> <end> <unk>` first.

    A model may use one token for several of these four. `<end>`, which is predicted, then owns the token, and the
    others are duplicates, which are read and never said.

    Args:
        tokenizer: of transformers.
        size: V of the model, which may have rows beyond the tokenizer's tokens.
        specials: the model's ids for `<pad> <start> <end> <unk>`.

    Attributes:
        ids: the model's id for each index.
        duplicates: indices of which the model's id has an owner already.
        begin: a duplicate of `<start>`, for a prompt that begins with it, and whose last piece takes its place.
    """

    def __init__(self, tokenizer: Any, size: int, specials: Sequence[int]):
        self.tokenizer = tokenizer
        self.ids = [*specials, *(i for i in range(size) if i not in specials), specials[START]]
        self.begin = len(self.ids) - 1
        self.own = {i: index for index, i in enumerate(self.ids)}
        self.own |= {specials[mark]: mark for mark in (PAD, UNK, START, END)}
        self.duplicates = [index for index, i in enumerate(self.ids) if self.own[i] != index]
        names = dict.fromkeys(SPECIALS)
        for i in self.ids[len(SPECIALS) : self.begin]:
            name = tokenizer.convert_ids_to_tokens(i) if i < len(tokenizer) else None
            names[f"<{i}>" if name is None or name in names else name] = None
        super().__init__([*names, "<begin>"])

    def __contains__(self, word: str) -> bool:
        return UNK not in self.pieces(word)

    @property
    def texts(self) -> list[str]:
        return [self._text([index]).strip() for index in range(len(self))]

    def pieces(self, text: str, marked: bool = False) -> list[int]:
        """The pieces of a text, `marked` with the tokenizer's own marks around them."""
        return [self.own[i] for i in self.tokenizer(text, add_special_tokens=marked).input_ids]

    def encode(self, words: Iterable[str], max_length: int | None = None) -> list[int]:
        """`<start> p1 … pn <end>`, pieces of the words joined by spaces; `max_length` counts pieces."""
        pieces = self.pieces(" ".join(words))
        if max_length is not None and len(pieces) > max_length:
            return [START, *pieces[:max_length]]
        return [START, *pieces, END]

    def question(self, text: str) -> list[int]:
        """The pieces of a question, with the tokenizer's marks around them."""
        return self.pieces(text, marked=True)

    def joined(self, tokens: Sequence[int]) -> list[Word]:
        """The words of pieces, and the places of their first and last; what begins a text is a word of its own."""
        words: list[Word] = []
        run: list[int] = []
        for place, token in enumerate([*tokens, START]):
            if token not in (START, self.begin):
                run.append(token)
                continue
            words += [Word(text, place - len(run) + a, place - len(run) + b) for text, a, b in self._words(run)]
            run = []
            if place < len(tokens):
                words.append(Word(SPECIALS[START], place, place))
        return words

    def _words(self, pieces: Sequence[int]) -> list[Word]:
        """The same of pieces of which none begins a text. What shares its first piece with the word before joins it."""
        texts = [self._text(pieces[: n + 1]) for n in range(len(pieces))]
        text = texts[-1] if texts else ""
        ends = [_common_length(part, text) for part in texts]
        words: list[Word] = []
        for match in _WORD.finditer(text):
            first = next(n for n, end in enumerate(ends) if end > match.start())
            last = next(n for n, end in enumerate(ends) if end >= match.end())
            if words and first == words[-1].first:
                words[-1] = Word(words[-1].text + match.group(), first, last)
            else:
                words.append(Word(match.group(), first, last))
        return words

    def _text(self, indices: Sequence[int]) -> str:
        text: str = self.tokenizer.decode([self.ids[i] for i in indices], clean_up_tokenization_spaces=False)
        return text


def _common_length(one: str, other: str) -> int:
    """Number of characters that two texts begin with alike; a character of several pieces is whole with the last."""
    alike = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(alike, min(len(one), len(other)))
