"""All caption metrics of a set of predictions, in one call."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whysaid.errors import UserError
from whysaid.metrics.score import Metric, Score, Unavailable, warn_once
from whysaid.metrics.tokenizer import Tokenizer, require_tokenizer, tokenize_both

log = logging.getLogger(__name__)


@dataclass
class Scores:
    """What a set of captions scored.

    corpus: metric name → value. per_image: metric name → image id → value, for metrics that have one.
    unavailable: metric name → why it is missing and what to do. notes: metric name → what has to be known to read it.
    """

    corpus: dict[str, float] = field(default_factory=dict)
    per_image: dict[str, dict[int, float]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


class CaptionScorer:
    """Tokenises predictions and references alike and asks every metric.

    Args:
        metrics: what to compute.
        cache_dir: where tokenised references are kept between validations; None keeps nothing.
        tokenizer: `ptb`, as the COCO evaluation has it, for English; `words`, the vocabulary's, for any language.
    """

    def __init__(self, metrics: Sequence[Metric], cache_dir: Path | str | None = None, tokenizer: Tokenizer = "ptb"):
        require_tokenizer(tokenizer)
        self.metrics, self.tokenizer = list(metrics), tokenizer
        self.cache_dir = None if cache_dir is None else Path(cache_dir)

    def score(self, predictions: Mapping[int, str], references: Mapping[int, Sequence[str]]) -> Scores:
        """Scores captions as written: predictions by image id, against the references of the same ids.

        A metric whose tool is missing or fails is left out, with one warning; UserError where a prediction has no
        reference. References of other images are ignored.
        """
        _check(predictions, references)
        wanted = {i: references[i] for i in sorted(predictions)}
        hypotheses, tokenized = tokenize_both(
            {i: predictions[i] for i in wanted}, wanted, self.cache_dir, self.tokenizer
        )
        scores = Scores()
        for metric in self.metrics:
            try:
                results = metric(hypotheses, tokenized)
            except UserError:
                raise
            except Exception as error:
                _note(error, metric, scores)
            else:
                _add(results, scores)
        return scores


def _check(predictions: Mapping[int, str], references: Mapping[int, Sequence[str]]) -> None:
    if not predictions:
        raise UserError("there are no captions to score: check that the split holds images")
    missing = [i for i in sorted(predictions) if not references.get(i)]
    if missing:
        ids = ", ".join(map(str, missing[:10])) + (" …" if len(missing) > 10 else "")
        raise UserError(f"{len(missing)} predicted images have no reference caption: add captions for ids {ids}")


def _note(error: Exception, metric: Metric, scores: Scores) -> None:
    """Warns of a metric that failed: a tool from outside has ways of its own, which cost no run."""
    if isinstance(error, Unavailable):
        message = str(error)
    else:
        message = f"{type(error).__name__}: {error}"
        log.debug("%s failed", type(metric).__name__, exc_info=error)
    scores.unavailable.update(dict.fromkeys(metric.names, message))
    warn_once(f"{', '.join(metric.names)} unavailable: {message}")


def _add(results: dict[str, Score], scores: Scores) -> None:
    for name, score in results.items():
        scores.corpus[name] = score.corpus
        if score.per_image is not None:
            scores.per_image[name] = score.per_image
        if score.note:
            scores.notes[name] = score.note
            warn_once(f"{name} is {score.note}")
