"""What captions are like, whatever their images show."""

from whysaid.metrics.score import Hypotheses, References, Score

_ARTICLES_AND_CONJUNCTIONS = {"a", "an", "the", "and", "or", "but", "as", "than", "while", "that", "which", "who"}
_VERBS_AND_POSSESSIVES = {"is", "are", "was", "were", "be", "being", "has", "have", "his", "her", "its", "their"}
_PREPOSITIONS = {"with", "of", "in", "on", "at", "to", "for", "from", "by", "near", "into", "onto", "upon", "under"}
_PREPOSITIONS |= {"over", "up", "behind", "between", "through", "before", "after", "next"}
BAD_ENDINGS = frozenset(_ARTICLES_AND_CONJUNCTIONS | _VERBS_AND_POSSESSIVES | _PREPOSITIONS)
"""Function words that no caption should end in."""


class CaptionStatistics:
    """`bad_endings`: share of captions that end in a function word, 0–1 (Rennie et al. 2017 fine-tunes into them).

    `length`: mean number of words. `vocabulary`: number of distinct words over all captions.
    """

    names = ("bad_endings", "length", "vocabulary")

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        words = {i: caption.split() for i, caption in hypotheses.items()}
        endings = {i: float(bool(caption) and caption[-1] in BAD_ENDINGS) for i, caption in words.items()}
        lengths = {i: float(len(caption)) for i, caption in words.items()}
        distinct = {word for caption in words.values() for word in caption}
        return {
            "bad_endings": Score(sum(endings.values()) / len(words), endings),
            "length": Score(sum(lengths.values()) / len(words), lengths),
            "vocabulary": Score(float(len(distinct))),
        }
