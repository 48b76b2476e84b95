"""Regressions on more and on less evidence, and how well they tell what is there from what is not.

M words, D bootstrap draws.
"""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from whysaid.attribution.support.evidence import CONTRAST, LOG_P, PRESENCE, RELEVANCE
from whysaid.attribution.support.logistic import Logistic, fit_logistic
from whysaid.metrics.auc import auc
from whysaid.metrics.calibration import calibration_error
from whysaid.studies.common.statistics import Interval, drawn_interval, draws_of_words
from whysaid.studies.support.words import JudgedWords

SUBSETS = (
    (LOG_P, CONTRAST, RELEVANCE, PRESENCE),
    (LOG_P, CONTRAST, PRESENCE),
    (LOG_P, CONTRAST, RELEVANCE),
    (LOG_P, RELEVANCE),
    (LOG_P, CONTRAST),
    (LOG_P,),
)
"""What a regression may know, the most first: a user may not ask for relevance or for a probe, an old checkpoint has no
mean of its training features, and a filter does not know relevance."""


def fit(words: JudgedWords, penalty: float) -> dict[tuple[str, ...], Logistic]:
    """One regression for each of `SUBSETS` that is known of all the words."""
    known = {name for name, values in words.evidence.items() if values is not None}
    return {names: fit_logistic(words.matrix(names), words.labels, penalty) for names in SUBSETS if set(names) <= known}


def measured(p: ArrayLike, words: JudgedWords, seed: int) -> Mapping[str, Interval]:
    """The area under the ROC curve and the expected calibration error, with bootstrap intervals over images."""
    draws = draws_of_words(words.images, seed)
    return {
        "auc": drawn_interval(auc(p, words.labels, draws)),
        "calibration_error": drawn_interval(calibration_error(p, words.labels, draws)),
    }
