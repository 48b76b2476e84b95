"""What a caption metric is: a call from tokenised captions to named scores."""

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, Protocol

log = logging.getLogger(__name__)

Hypotheses = Mapping[int, str]
"""image id → one tokenised caption, tokens joined by single spaces; it may be empty."""

References = Mapping[int, Sequence[str]]
"""image id → its tokenised reference captions, at least one."""


class Score(NamedTuple):
    """A corpus score and, where the metric has them, scores per image id. note: what has to be known to read it."""

    corpus: float
    per_image: dict[int, float] | None = None
    note: str = ""


class Metric(Protocol):
    """Anything that scores captions."""

    @property
    def names(self) -> Sequence[str]:
        """Those of the scores that a call returns; a plain attribute serves."""
        ...

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        """Scores every hypothesis against the references of the same id; raises Unavailable without its tool."""
        ...


MetricChoice = Mapping[str, Metric | None] | Sequence[Metric]
"""Metrics by name, where None leaves one out; or a list of them."""


def chosen_metrics(metrics: MetricChoice) -> list[Metric]:
    """Lists the metrics of a choice, in its order."""
    if isinstance(metrics, Mapping):
        return [metric for metric in metrics.values() if metric is not None]
    return list(metrics)


class Unavailable(Exception):
    """A metric cannot be had here: its tool is missing or broke. Costs that metric alone, never a run."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@cache
def warn_once(message: str) -> None:
    """Logs a warning the first time this process meets it."""
    log.warning(message)
