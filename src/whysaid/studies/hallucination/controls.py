"""Ways to hallucinate less that anybody has: they say less, and a measure has to show it.

S words of a caption.
"""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

from whysaid.data.object_words import ObjectWords

ARTICLES = frozenset({"a", "an", "the"})


class Said(NamedTuple):
    """A caption: its S words, and the log-probability with which the captioner said each of them."""

    words: list[str]
    log_probs: list[float]

    @property
    def caption(self) -> str:
        """The words as one text."""
        return " ".join(self.words)


def cut(said: Said, words: int) -> str:
    """The caption's first so many words."""
    return " ".join(said.words[:words])


def drop_least_probable(said: Said, object_words: ObjectWords, below: float) -> str:
    """The caption without its least probable object, where that is less probable than `below`; 1 drops one always.

    An object is as probable as the last of the words that name it. They all go, and an article in front of them.

    Args:
        said: the caption.
        object_words: says which words name objects.
        below: probability, in (0, 1].
    """
    mentions = object_words.located(said.caption)
    if not mentions:
        return said.caption
    least = min(mentions, key=lambda mention: said.log_probs[mention.last])
    if below < 1 and said.log_probs[least.last] >= log(below):
        return said.caption
    first = least.first - (least.first > 0 and said.words[least.first - 1] in ARTICLES)
    kept: Sequence[str] = [*said.words[:first], *said.words[least.last + 1 :]]
    return " ".join(kept)
