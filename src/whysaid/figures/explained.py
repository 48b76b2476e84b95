"""All pictures of one explained photo.

T explained words, S words read, h × w cells of a map.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.figures.attention_shift import attention_shift
from whysaid.figures.comparison import comparison
from whysaid.figures.importance_sheet import importance_sheet
from whysaid.figures.photo_objects import PhotoObjects
from whysaid.figures.titles import title
from whysaid.figures.word_matrix import word_matrix
from whysaid.figures.word_strip import word_strip

Array = NDArray[np.floating]


@dataclass
class ExplainedPhoto:
    """One photo, what was said of it, and what methods found.

    image: (H, W, 3) in [0, 1]. said: T explained words. read: S words. context_lengths: T numbers, word t was said
    after reading the first so many of `read`. maps: method → (T, h, w). signed: the methods whose maps may speak
    against a word.
    words: method → (T, S), of those that say something of words. sentinel: β of each word, or None. remark: what else
    the reader should know, or nothing. objects: its objects and the photo without each, or None where nobody asked.
    uniform: method → the value of its maps that is neutral, of maps of attention. shares: method → (T, 2) or (T, 1),
    the share of each word in all that the method finds, as `share_bar` takes it.
    support: of each word, the probability that the object which it names is there, None for a word that names none; or
    None where nobody knows.
    """

    image: Array
    said: Sequence[str]
    read: Sequence[str]
    context_lengths: Sequence[int]
    maps: Mapping[str, Array]
    signed: frozenset[str] = frozenset()
    words: Mapping[str, Array] = field(default_factory=dict)
    sentinel: Sequence[float] | None = None
    remark: str = ""
    objects: PhotoObjects | None = None
    support: Sequence[float | None] | None = None
    uniform: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, Array] = field(default_factory=dict)

    @property
    def contents(self) -> list[int]:
        """The places of the said words that are no stop words."""
        return [t for t, word in enumerate(self.said) if word not in STOP_WORDS]


def draw(explained: ExplainedPhoto, same_range: bool = False) -> dict[str, Figure]:
    """Draws the figures of a photo, by name: a strip for each method; `words` where some method says anything of words;
    `methods`, the comparison for all but stop words, where there are several beside attention; and where objects were
    taken out, `importance` and `importance_attention`."""
    figures = {}
    for name, maps in explained.maps.items():
        figures[name] = word_strip(
            explained.image,
            explained.said,
            maps,
            name in explained.signed,
            explained.sentinel if name == "attention" else None,
            title(name),
            same_range,
            title=f"{title(name)}: {_LOOKED if name in explained.uniform else _RESTS}",
            caption=explained.said,
            uniform=explained.uniform.get(name),
            shares=explained.shares.get(name),
        )
    if explained.words:
        words, signed = _together(explained.words, explained.signed)
        figures["words"] = word_matrix(
            explained.read, explained.said, explained.context_lengths, words, same_range, signed
        )
    if len(explained.maps.keys() - {"attention"}) > 1:
        compared = explained.contents or list(range(len(explained.said)))
        figures["methods"] = comparison(
            explained.image,
            [explained.said[t] for t in compared],
            {name: maps[compared] for name, maps in explained.maps.items()},
            {name: name in explained.signed for name in explained.maps},
            same_range,
            explained.uniform,
            {name: shares[compared] for name, shares in explained.shares.items()},
            note=_LEFT_OUT if len(compared) < len(explained.said) else "",
        )
    if explained.objects is not None and explained.objects.removed:
        figures["importance"] = importance_sheet([explained.objects])
        if explained.objects.attention is not None:
            figures["importance_attention"] = attention_shift([explained.objects])
    return figures


_LOOKED, _RESTS = "where the model looked for each word", "what each word rests on"
_LEFT_OUT = "Stop words, such as a and of, are left out here: the picture of each method shows all words."


def _together(words: Mapping[str, Array], signed: Collection[str]) -> tuple[dict[str, Array], set[str]]:
    """Joins, under the names for people, methods that find the same words, as those do that differ in the encoder
    alone; returns what they find, and the joint names of those whose sign means something."""
    groups: list[tuple[list[str], bool, Array]] = []
    for name, values in words.items():
        for names, sign, known in groups:
            if sign == (name in signed) and np.allclose(known, values, rtol=1e-4, atol=1e-6 * np.abs(known).max()):
                names.append(title(name))
                break
        else:
            groups.append(([title(name)], name in signed, values))
    joint = {", ".join(names): values for names, _, values in groups}
    return joint, {", ".join(names) for names, sign, _ in groups if sign}
