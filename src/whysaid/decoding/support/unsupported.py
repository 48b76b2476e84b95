"""A filter that forbids objects which are probably not there.

N captions, t words so far, V vocabulary, K categories of the probe.
"""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from whysaid.attribution.support.evidence import CONTRAST, LOG_P, PRESENCE
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.support.endings import NOTHING, ObjectEndings
from whysaid.errors import UserError

WHILE_DECODING = ((LOG_P, CONTRAST, PRESENCE), (LOG_P, CONTRAST), (LOG_P,))
"""What can be known of a word that is not yet said, the most first."""


class Unsupported:
    """Forbids a word that would name an object whose support is below a threshold; the caption goes on without it.

    A decoder knows of a word that it has not yet said how probable it is, what the picture adds to that, and whether
    the picture shows what it names. What explains it is not known, since each candidate would take a backward pass. So
    the regression is that of `study=support` on these scores alone.

    Args:
        threshold: of support, in (0, 1).
        scores: that the regression was fitted on: one of `WHILE_DECODING`. For `contrast` the captioner takes each step
            with and without the picture. None: all three, or `log_p` and `contrast` where the support has no probe.

    Raises:
        UserError: a threshold outside of its range, or scores that are not known while decoding.
    """

    def __init__(self, threshold: float = 0.3, scores: Sequence[str] | None = None):
        if not 0 < threshold < 1:
            raise UserError(f"decoding.filters: Unsupported has threshold={threshold}: set it above 0 and below 1")
        if scores is not None and tuple(scores) not in WHILE_DECODING:
            choice = " or ".join(f"[{', '.join(known)}]" for known in reversed(WHILE_DECODING))
            raise UserError(
                f"decoding.filters: Unsupported has scores=[{', '.join(scores)}], which are not known while decoding: "
                f"choose {choice}"
            )
        self.threshold, self.scores = threshold, None if scores is None else tuple(scores)

    @property
    def takes_mean(self) -> bool:
        """Whether captioners must know the mean of their training features."""
        return self.scores is None or CONTRAST in self.scores

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
        wanted = WHILE_DECODING[:2] if self.scores is None else (self.scores,)
        regressions, probe = support.support.regressions, support.probe
        for scores in wanted:
            if scores in regressions and (PRESENCE not in scores or probe is not None):
                endings = ObjectEndings(support.objects, vocabulary)
                known = probe if PRESENCE in scores else None
                return SupportMask(endings, regressions[scores], CONTRAST in scores, self.threshold, known)
        names = " and ".join(wanted[-1])
        raise UserError(f"the support of this checkpoint was not fitted on {names}: run study=support anew")


class SupportMask:
    """`Unsupported` of one captioner.

    Where a contrast is around the captioner, or is part of the scores, `judge` is shown the distributions of a step,
    and the filter then forbids what it has found. A decoder that is called without them does without the filter, as it
    does without the contrast; on log-probabilities alone nobody needs to show them.

    Args:
        endings: says which words name which objects.
        regression: of the scores.
        contrasted: whether what the picture adds is the second of the scores.
        threshold: of support.
        probe: tells what pictures show, the third of the scores; None: it is none of them.
    """

    def __init__(
        self,
        endings: ObjectEndings,
        regression: Logistic,
        contrasted: bool,
        threshold: float,
        probe: Presence | None = None,
    ):
        self.endings, self.regression, self.contrasted = endings, regression, contrasted
        self.probe = probe
        self.columns = None if probe is None else torch.tensor(probe.columns(endings.categories))
        self.least = log(threshold / (1 - threshold)) - regression.bias
        self._forbidden: Tensor | None = None

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        forbidden, self._forbidden = self._forbidden, None
        if forbidden is None:
            if self.contrasted:
                return log_p
            forbidden = self.forbidden(log_p, log_p, tokens)
        return log_p.masked_fill_(forbidden, -torch.inf)

    def judge(self, present: Tensor, absent: Tensor, said: Tensor, shown: Tensor | None) -> Tensor:
        """Finds the words (N, V) that the filter forbids when it is next called.

        Args:
            present, absent: (N, V) log-probabilities with and without the picture.
            said: (N, t) words so far, without `<start>`.
            shown: (N, K) log-odds that the picture shows each category of the probe; None without a probe.
        """
        self._forbidden = self.forbidden(present, absent, said, shown)
        return self._forbidden

    def forbidden(self, present: Tensor, absent: Tensor, said: Tensor, shown: Tensor | None = None) -> Tensor:
        """(N, V) bool; arguments are those of `judge`."""
        named = self.endings(said)
        evidence = self.regression.weights[0] * present
        if self.contrasted:
            evidence = evidence + self.regression.weights[1] * (present - absent)
        if self.columns is not None and shown is not None:
            column = self.columns.to(named.device)[named.clamp(min=0)]
            evidence = evidence + self.regression.weights[2] * shown.to(present).gather(1, column)
        return (evidence < self.least) & (named != NOTHING)
