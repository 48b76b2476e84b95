"""How text becomes words, in any language: of captions, of questions, and of the names of objects alike.

Letters, marks and digits are those of Unicode, so that "crème brûlée" has two words. Languages that are written without
spaces have none to find: their characters can be made words instead.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import islice

import regex

from whysaid.errors import UserError


def _letters(digits: str) -> str:
    return rf"[\p{{L}}{digits}][\p{{L}}\p{{M}}{digits}\u200d]*"


def _tokens(letters: str) -> str:
    return rf"n't|{letters}(?:[-.]{letters})*|'(?:s|m|re|ve|ll|d)\b"


LETTERS = _letters(r"\p{N}")
"""A run of letters and digits, for `regex`: marks (vowel signs, accents) and joiners stay with the letter before."""

TOKENS = _tokens(_letters(r"\p{Nd}"))
"""What counts as a word, ² and ½ not among them: part of every vocabulary's fingerprint."""

_TOKEN = regex.compile(TOKENS)
_ASCII = re.compile(_tokens("[a-z0-9]+"))  # the same of ASCII text, and faster
_CONTRACTION = re.compile(r"n['’]t\b")

_SOFT_HYPHEN = "\u00ad"

_SPACELESS = "".join(rf"\p{{scx={script}}}" for script in ("Han", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"))
_CHARACTER = regex.compile(rf"(?=[{_SPACELESS}])(?=\w)\X")
"""A character of a script that is written without spaces, with its marks."""

_SAMPLE, _LONGEST_MEAN = 1000, 5.0
"""Texts that are looked at, and characters of a word on average from which on it is taken for a whole phrase: parted
Chinese, Japanese and Thai words have two or three."""


def words(text: str) -> list[str]:
    """The lower-case words of a text, without punctuation; contractions split as the Penn Treebank does.

    >>> words("A dog isn't on the man's T-shirt.")
    ['a', 'dog', 'is', "n't", 'on', 'the', 'man', "'s", 't-shirt']
    >>> words("L'été à Orléans")
    ['l', 'été', 'à', 'orléans']
    """
    token = _ASCII if text.isascii() else _TOKEN
    return token.findall(_CONTRACTION.sub(" n't", composed(text).lower().replace("’", "'")))


def composed(text: str) -> str:
    """A text in Unicode's composed form (NFC), in which é is one letter, without soft hyphens."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).replace(_SOFT_HYPHEN, "")


def spaced(text: str) -> str:
    """A text with spaces around each character of a script that is written without them.

    >>> spaced("两只dog在跑。")
    '两 只 dog 在 跑 。'
    """
    return " ".join(_CHARACTER.sub(r" \g<0> ", composed(text)).split())


def require_spaces(texts: Iterable[str]) -> None:
    """Raises UserError where texts are of a language that is written without spaces, and stand as it writes them."""
    long = [word for text in islice(texts, _SAMPLE) if not text.isascii() for word in words(text)]
    lengths = [length for word in long if (length := len(_CHARACTER.findall(word)))]
    if lengths and sum(lengths) >= _LONGEST_MEAN * len(lengths):
        example = next(word for word in long if len(_CHARACTER.findall(word)) >= _LONGEST_MEAN)
        raise UserError(
            f"{example!r} is no single word, but its language is written without spaces: set data.characters=true, "
            "which makes a word of each character, or put spaces between the words of the captions and questions"
        )
