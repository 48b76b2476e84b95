"""The objects that captions name, each of them once a caption."""

from collections import Counter
from collections.abc import Sequence

from whysaid.studies.common.judged import JudgedWord


def often_named(judged: Sequence[JudgedWord], more_than: int) -> list[JudgedWord]:
    """Those whose object more than so many captions name; each caption is one of them at most."""
    captions = Counter(word.word for word in judged)
    return [word for word in judged if captions[word.word] > more_than]
