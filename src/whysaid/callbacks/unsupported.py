"""Words of a caption that name what nobody else sees: objects that are not there, and colours that they do not have.

A caption and its references are words with a space between them; references are people's captions of the same image.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from whysaid.data.object_words import ObjectWords

COLOURS = frozenset(
    ["black", "white", "grey", "gray", "red", "green", "yellow", "blue", "brown", "purple", "pink", "orange"]
)
"""The basic colour terms of English (Berlin & Kay 1969)."""


class Unsupported(NamedTuple):
    """Positions of words: of objects that are not there, and of colours that those which are there do not have."""

    hallucinated: set[int]
    miscoloured: set[int]


def unsupported(caption: str, references: Sequence[str], object_words: ObjectWords | None) -> Unsupported:
    """Finds both kinds; none where nobody tells what is there, or the data name no objects (`object_words` is None)."""
    if object_words is None or not references:
        return Unsupported(set(), set())
    return Unsupported(hallucinated(caption, references, object_words), miscoloured(caption, references, object_words))


def hallucinated(caption: str, references: Sequence[str], object_words: ObjectWords) -> set[int]:
    """Returns positions of words without which the caption would not mention an object that no reference mentions."""
    present = {name for reference in references for name in object_words.mentioned(reference)}
    words, mentioned = caption.split(), Counter(object_words.mentioned(caption))
    positions = set()
    for i in range(len(words)):
        without = Counter(object_words.mentioned(" ".join(words[:i] + words[i + 1 :])))
        if set(mentioned - without) - present:
            positions.add(i)
    return positions


def miscoloured(caption: str, references: Sequence[str], object_words: ObjectWords) -> set[int]:
    """Returns positions of colours that no reference gives the object which stands behind them.

    Of an object that no reference mentions, or whose colour none tells, nothing is returned.
    """
    known: dict[str, set[str]] = {}
    for reference in references:
        for category, _, colour in _coloured(reference, object_words):
            known.setdefault(category, set()).add(colour)
    said = _coloured(caption, object_words)
    return {place for category, place, colour in said if colour not in known.get(category, {colour})}


def _coloured(caption: str, object_words: ObjectWords) -> list[tuple[str, int, str]]:
    """Each object that stands behind a colour: its category, and the place and the name of the colour."""
    words, coloured = caption.lower().split(), []
    for mention in object_words.located(caption):
        place = mention.first - 1
        if place >= 0 and words[place] in COLOURS:
            coloured.append((mention.category, place, words[place].replace("gray", "grey")))
    return coloured
