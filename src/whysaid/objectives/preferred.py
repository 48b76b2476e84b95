"""Which of a picture's own samples is better: the one that names fewer objects that are not there.

B images, n captions of each.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

from whysaid.data.captions.datamodule import CaptionData
from whysaid.metrics.hallucination import Hallucination


class Judged(NamedTuple):
    """What one caption names.

    Attributes:
        hallucinated: how many categories that are not in the picture.
        recalled: how many that are.
        length: words.
    """

    hallucinated: int
    recalled: int
    length: int


class Judge:
    """Counts what captions name rightly and wrongly.

    Args:
        truth: says which words are objects, and what is in a picture.
        data: references of the training split.
    """

    def __init__(self, truth: Hallucination, data: CaptionData):
        self.truth, self.references = truth, data.references("train")
        self.categories = truth.object_words.categories
        self._present: dict[int, frozenset[str] | None] = {}

    def present(self, image_id: int) -> frozenset[str] | None:
        """The categories that are in a training picture; None where nobody says."""
        if image_id not in self._present:
            records = self.truth.records({image_id: ""}, {image_id: self.references[image_id]})
            self._present[image_id] = frozenset(records[0]["present"]) if records else None
        return self._present[image_id]

    def __call__(self, image_id: int, captions: Sequence[Sequence[str]]) -> list[Judged] | None:
        """Judges the captions, lists of words, of one picture; None where nobody says what is in it."""
        present = self.present(image_id)
        if present is None:
            return None
        named = [set(self.truth.object_words.mentioned(" ".join(words))) for words in captions]
        return [
            Judged(len(objects - present), len(objects & present), len(words))
            for objects, words in zip(named, captions, strict=True)
        ]


def preferred(judged: Sequence[Judged]) -> tuple[int, int] | None:
    """Chooses the places of the better and of the worse caption of one picture; None where no pair differs so.

    The better one names fewer objects that are not there, and no fewer that are. Of all such pairs it is the one with
    the largest difference in objects that are not there, then in objects that are, then with lengths that are closest,
    so that saying less is not what is learnt.
    """
    pairs = [
        (better, worse)
        for better, worse in permutations(range(len(judged)), 2)
        if judged[better].hallucinated < judged[worse].hallucinated
        and judged[better].recalled >= judged[worse].recalled
    ]

    def difference(pair: tuple[int, int]) -> tuple[int, int, int]:
        better, worse = (judged[place] for place in pair)
        gained = worse.hallucinated - better.hallucinated
        return gained, better.recalled - worse.recalled, -abs(better.length - worse.length)

    return max(pairs, key=difference, default=None)
