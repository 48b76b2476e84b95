"""A filter that forbids objects which are probably not there.

N captions, t words so far, V vocabulary.
"""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from whysaid.attribution.support.evidence import CONTRAST, LOG_P
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.support.endings import ObjectEndings
from whysaid.errors import UserError


class Unsupported:
    """Forbids a word that would name an object whose support is below a threshold; the caption goes on without it.

    A decoder knows of a word that it has not yet said how probable it is, and what the picture adds to that. What
    explains it is not known, since each candidate would take a backward pass. So the regression is that of
    `study=support` on these scores alone.

    Args:
        threshold: of support, in (0, 1).
        scores: that the regression was fitted on: `log_p`, and `contrast`, for which the captioner takes each step
            with and without the picture.

    Raises:
        UserError: a threshold outside of its range, or scores that are not known while decoding.
    """

    def __init__(self, threshold: float = 0.3, scores: Sequence[str] = (LOG_P, CONTRAST)):
        if not 0 < threshold < 1:
            raise UserError(f"decoding.filters: Unsupported has threshold={threshold}: set it above 0 and below 1")
        if list(scores) not in ([LOG_P], [LOG_P, CONTRAST]):
            raise UserError(
                f"decoding.filters: Unsupported has scores=[{', '.join(scores)}], and while decoding {LOG_P} and "
                f"{CONTRAST} are known: choose [{LOG_P}] or [{LOG_P}, {CONTRAST}]"
            )
        self.threshold, self.scores = threshold, tuple(scores)

    @property
    def takes_mean(self) -> bool:
        """Whether captioners must know the mean of their training features."""
        return CONTRAST in self.scores

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        """Raises UserError: nobody knows the support of words here."""
        raise UserError(
            "decoding.filters: Unsupported is for captioners of a checkpoint whose support study=support has fitted: "
            "leave it out"
        )

    def of(self, support: ObjectSupport, vocabulary: Vocabulary) -> "SupportMask":
        """The filter of one captioner.

        Raises:
            UserError: its support was not fitted on these scores.
        """
        regression = support.support.regressions.get(self.scores)
        if regression is None:
            raise UserError(
                f"the support of this checkpoint was not fitted on {' and '.join(self.scores)}: run study=support anew"
            )
        return SupportMask(ObjectEndings(support.objects, vocabulary), regression, self.takes_mean, self.threshold)


class SupportMask:
    """`Unsupported` of one captioner.

    Where a contrast is around the captioner, or is part of the scores, `judge` is shown the distributions of a step,
    and the filter then forbids what it has found. A decoder that is called without them does without the filter, as it
    does without the contrast; on log-probabilities alone nobody needs to show them.

    Args:
        endings: says which words name objects.
        regression: of the scores.
        contrasted: whether what the picture adds is the second of the scores.
        threshold: of support.
    """

    def __init__(self, endings: ObjectEndings, regression: Logistic, contrasted: bool, threshold: float):
        self.endings, self.regression, self.contrasted = endings, regression, contrasted
        self.least = log(threshold / (1 - threshold)) - regression.bias
        self._forbidden: Tensor | None = None

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        forbidden, self._forbidden = self._forbidden, None
        if forbidden is None:
            if self.contrasted:
                return log_p
            forbidden = self.forbidden(log_p, log_p, tokens)
        return log_p.masked_fill_(forbidden, -torch.inf)

    def judge(self, present: Tensor, absent: Tensor, said: Tensor) -> Tensor:
        """Finds the words (N, V) that the filter forbids when it is next called.

        Args:
            present, absent: (N, V) log-probabilities with and without the picture.
            said: (N, t) words so far, without `<start>`.
        """
        self._forbidden = self.forbidden(present, absent, said)
        return self._forbidden

    def forbidden(self, present: Tensor, absent: Tensor, said: Tensor) -> Tensor:
        """(N, V) bool; arguments are those of `judge`."""
        evidence = self.regression.weights[0] * present
        if self.contrasted:
            evidence = evidence + self.regression.weights[1] * (present - absent)
        return (evidence < self.least) & self.endings(said)
