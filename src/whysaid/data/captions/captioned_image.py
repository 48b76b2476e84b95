"""Captioned images as every reader gives them, and how a caption becomes words."""

import re
from dataclasses import dataclass

from whysaid.data.images import Photo

TOKENS = r"n't|[a-z0-9]+(?:[-.][a-z0-9]+)*|'(?:s|m|re|ve|ll|d)\b"
"""What counts as a word: part of every vocabulary's fingerprint."""

_TOKEN = re.compile(TOKENS)
_CONTRACTION = re.compile(r"n['’]t\b")


@dataclass(frozen=True)
class CaptionedImage(Photo):
    """One photo with its reference captions."""

    captions: tuple[str, ...]


def words(caption: str) -> list[str]:
    """The lower-case words of a caption, without punctuation; contractions split as the Penn Treebank does.

    >>> words("A dog isn't on the man's T-shirt.")
    ['a', 'dog', 'is', "n't", 'on', 'the', 'man', "'s", 't-shirt']
    """
    return _TOKEN.findall(_CONTRACTION.sub(" n't", caption.lower().replace("’", "'")))
