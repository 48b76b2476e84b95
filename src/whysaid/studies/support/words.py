"""Named objects, whether they are there, and what speaks for them.

M words.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from whysaid.attribution.method import Method
from whysaid.attribution.support.evidence import (
    CONTRAST,
    LOG_P,
    PRESENCE,
    RELEVANCE,
    RELEVANCE_BY,
    Evidence,
    largest_relevance,
    read_evidence,
)
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention
from whysaid.studies.common.judged import JudgedWord
from whysaid.studies.common.word_sample import groups

SCORES = (LOG_P, CONTRAST, RELEVANCE, PRESENCE)


class JudgedWords:
    """M words of captions of one kind of pictures."""

    def __init__(self, words: Sequence[JudgedWord]):
        self.words = list(words)
        self.images = np.array([word.image_id for word in self.words])
        self.labels = np.array([word.supported for word in self.words], bool)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def evidence(self) -> Evidence:
        """Name of a score → (M,); None where one of the words lacks it."""
        return {
            name: np.array([word.scores[name] for word in self.words])
            if all(name in word.scores for word in self.words)
            else None
            for name in SCORES
        }

    def matrix(self, names: Sequence[str]) -> NDArray[np.floating]:
        """(M, F) of F scores."""
        return np.stack([np.asarray(self.evidence[name], float) for name in names], -1)


def with_evidence(
    captioner: Captioner,
    captioned: CaptionedBatch,
    mentions: Iterable[ObjectMention],
    relevance: Method | None,
    at_once: int,
    probe: Presence | None = None,
) -> Iterator[JudgedWord]:
    """Yields words with what speaks for each.

    Args:
        captioner: in evaluation mode.
        captioned: captions of a batch, as pixels where relevance is asked for.
        mentions: the words.
        relevance: the method whose largest relevance counts; None leaves that out.
        at_once: pictures explained at once.
        probe: tells what the pictures show; None leaves that out.
    """
    reading = read_evidence(captioner, captioned.features, captioned.tokens, probe)
    log_p = reading.log_p.double().cpu().numpy()
    contrast = None if reading.contrast is None else reading.contrast.double().cpu().numpy()
    place = {image_id: row for row, image_id in enumerate(captioned.ids)}
    for group in groups(captioned, list(mentions), at_once):
        largest = None
        if relevance is not None:
            targets = Targets(group.tokens, group.places)
            explained = attribute_all({RELEVANCE_BY: relevance}, captioner, group.batch, targets)
            largest = largest_relevance(explained[RELEVANCE_BY]).cpu().numpy()
        for image_id, mention in zip(group.ids(), group.mentions, strict=True):
            at = place[image_id], mention.place
            evidence = {LOG_P: float(log_p[at])}
            if contrast is not None:
                evidence[CONTRAST] = float(contrast[at])
            if probe is not None and reading.presence is not None:
                (column,) = probe.columns([mention.category])
                evidence[PRESENCE] = float(reading.presence[place[image_id], column])
            if largest is not None:
                evidence[RELEVANCE] = float(largest[mention.row, group.places.index(mention.place)])
            yield JudgedWord(image_id, mention.category, mention.supported, evidence)
