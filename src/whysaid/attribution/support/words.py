"""The support of the objects that a caption names.

S words of a caption.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from whysaid.attribution.support.evidence import PRESENCE, Array, Evidence
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.support.support import Support
from whysaid.data.object_words import Mention, ObjectWords

DOUBTFUL = 0.5
"""Support below which an object is rather not there."""


class SupportedObject(NamedTuple):
    """An object that a caption names: where, its words, and the probability in [0, 1] that it is there."""

    mention: Mention
    words: str
    support: float

    def __str__(self) -> str:
        return f"{self.words} {self.support:.2f}"


class ObjectSupport:
    """How likely it is that what a caption names is there.

    Args:
        support: of one captioner.
        objects: tells which words name objects.
    """

    def __init__(self, support: Support, objects: ObjectWords):
        self.support, self.objects = support, objects

    @property
    def probe(self) -> Presence | None:
        """Tells what a picture shows, where presence is one of the scores."""
        return self.support.presence

    def of_objects(self, words: Sequence[str], evidence: Evidence) -> list[SupportedObject]:
        """The objects that a caption names, in its order. An object is judged by the last of the words that name it.

        Args:
            words: S of them.
            evidence: name of a score → (S,) or longer, of presence (K,), or None.
        """
        mentions = self.objects.located(" ".join(words))
        if not mentions:
            return []
        values = self.support({name: self._of(mentions, name, values) for name, values in evidence.items()})
        return [
            SupportedObject(mention, " ".join(words[mention.first : mention.last + 1]), float(value))
            for mention, value in zip(mentions, values, strict=True)
        ]

    def _of(self, mentions: Sequence[Mention], name: str, values: Array | None) -> Array | None:
        """The values (M,) of a score of the words that name M objects."""
        probe, places = self.probe, [mention.last for mention in mentions]
        if name == PRESENCE and probe is not None:
            places = probe.columns(mention.category for mention in mentions)
        return None if values is None else np.asarray(values)[places]

    def of_words(self, words: Sequence[str], evidence: Evidence) -> list[float | None]:
        """S values: the support of the object that a word names, or None for a word that names none."""
        values: list[float | None] = [None] * len(words)
        for named in self.of_objects(words, evidence):
            for place in range(named.mention.first, named.mention.last + 1):
                values[place] = round(named.support, 4)
        return values


def doubtful_words(words: Sequence[str], support: Sequence[float | None], below: float = DOUBTFUL) -> list[str]:
    """The words whose object has a support below a threshold; neighbours of the same object are one."""
    return [text for text, _ in _doubtful(words, support, below)]


def warning(words: Sequence[str], support: Sequence[float | None] | None, below: float = DOUBTFUL) -> str:
    """The line below a caption that warns of its doubtful words; empty where there are none, or nothing is known."""
    doubtful = [] if support is None else _doubtful(words, support, below)
    if not doubtful:
        return ""
    named = ", ".join(f"“{text}” (support {value:.2f})" for text, value in doubtful)
    return f"{named}. The photo may not show {'these' if len(doubtful) > 1 else 'this'}."


def _doubtful(words: Sequence[str], support: Sequence[float | None], below: float) -> list[tuple[str, float]]:
    doubtful: list[tuple[list[str], float]] = []
    before: float | None = None
    for word, value in zip(words, support, strict=True):
        if value is not None and value < below:
            if doubtful and value == before:
                doubtful[-1][0].append(word)
            else:
                doubtful.append(([word], value))
        before = value
    return [(" ".join(several), value) for several, value in doubtful]
