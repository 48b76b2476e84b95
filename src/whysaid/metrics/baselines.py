"""What any captioner's score is to be read against: a person, and one caption for all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from whysaid.errors import UserError
from whysaid.metrics.scorer import CaptionScorer, Scores
from whysaid.metrics.tokenizer import plain_tokenize


def human_baseline(references: Mapping[int, Sequence[str]], scorer: CaptionScorer) -> Scores:
    """Each image's first reference scored against its others; images with a single reference are left out."""
    several = {i: captions for i, captions in references.items() if len(captions) > 1}
    if not several:
        raise UserError("the human score needs images with two references or more: choose another split")
    first = {i: captions[0] for i, captions in several.items()}
    return scorer.score(first, {i: captions[1:] for i, captions in several.items()})


def majority_caption(train_captions: Iterable[str]) -> str:
    """The most frequent caption of the training split, tokenised; the first by name among equals."""
    counts = Counter(plain_tokenize({0: list(train_captions)})[0])
    if not counts:
        raise UserError("there is no training caption to take the most frequent of: check the training split")
    return min(counts, key=lambda caption: (-counts[caption], caption))
