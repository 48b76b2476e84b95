"""All pictures of one explained photo.

T explained words, S words read, h × w cells of a map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
    the reader should know, or nothing. parted: the objects and the photo without each, or None where nobody asked.
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
    parted: PhotoObjects | None = None


def draw(explained: ExplainedPhoto, same_range: bool = False) -> dict[str, Figure]:
    """Name → figure: a strip for each method, `words` where some method says anything of words, and `methods`, the
    comparison, where there are several beside attention; where objects were taken out, `importance` and
    `importance_attention`."""
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
        )
    if explained.words:
        words = _together(explained.words)
        figures["words"] = word_matrix(explained.read, explained.said, explained.context_lengths, words, same_range)
    if len(explained.maps.keys() - {"attention"}) > 1:
        signed = {name: name in explained.signed for name in explained.maps}
        figures["methods"] = comparison(explained.image, explained.said, explained.maps, signed, same_range)
    if explained.parted is not None and explained.parted.removed:
        figures["importance"] = importance_sheet([explained.parted])
        if explained.parted.attention is not None:
            figures["importance_attention"] = attention_shift([explained.parted])
    return figures


def _together(words: Mapping[str, Array]) -> dict[str, Array]:
    """The same under the names for people; methods that find the same, as those do that differ in the encoder alone,
    share an entry."""
    groups: list[tuple[list[str], Array]] = []
    for name, values in words.items():
        for names, known in groups:
            if np.array_equal(known, values):
                names.append(title(name))
                break
        else:
            groups.append(([title(name)], values))
    return {", ".join(names): values for names, values in groups}
