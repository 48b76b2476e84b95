"""Candidates of a beam, ranked again by how well what they name is supported.

B images, n candidates of each, T words, M objects that a caption names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from scipy.special import logit
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.attribution.support.evidence import (
    RELEVANCE,
    RELEVANCE_BY,
    Evidence,
    largest_relevance,
    read_evidence,
)
from whysaid.attribution.support.words import ObjectSupport, SupportedObject
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import Pictured, Pictures
from whysaid.data.vocabulary import PAD, Vocabulary
from whysaid.decoding.decoder import Decoded, Describer, Searching, describe
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner

CERTAIN = 1e-4
"""Support closer to 0 or 1 than this counts as if it were this close."""


@dataclass(frozen=True)
class Rerank:
    """Adds to the score of each candidate the log-odds that what it names is there.

    score + weight · Σ log(s / (1 − s)) over the objects that it names, each once, by its least support s: objects that
    are rather there count for a caption, the others against it. All evidence that is known counts: the
    log-probability of a word, what the picture adds to it, and its relevance where a method is given.

    Args:
        weight: ≥ 0, of the log-odds beside the score, which is the log-probability of the caption or what the length
            penalty makes of it.
        relevance: LRP as `study=support` explains by it; None does without. It takes a backward for each candidate.

    Raises:
        UserError: a negative weight.
    """

    weight: float = 0.5
    relevance: Method | None = None
    support: ObjectSupport | None = None
    vocabulary: Vocabulary | None = None

    takes_mean = True
    """Captioners must know the mean of their training features."""

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise UserError(f"decoding.support.weight is {self.weight}: set it to 0 or more")

    def of(self, support: ObjectSupport, vocabulary: Vocabulary) -> "Rerank":
        """The ranking of one captioner's candidates."""
        return replace(self, support=support, vocabulary=vocabulary)

    def describe(self, decoder: Searching, captioner: Describer, batch: Pictured) -> tuple[Decoded, Any]:
        """The candidates that a beam finds of a batch's pictures, best first, as many as it returns; and features."""
        candidates, features = describe(decoder.candidates(), captioner, batch)
        assert isinstance(captioner, Captioner), "support is of one captioner"
        gained = self.weight * self.log_odds(candidates.tokens, captioner, batch, features).to(candidates.scores)
        scores = candidates.scores + gained
        order = scores.argsort(dim=1, descending=True, stable=True)[:, : decoder.returned]
        tokens = candidates.tokens.take_along_dim(order[:, :, None], 1)
        return Decoded(tokens, candidates.log_probs.gather(1, order), scores.gather(1, order)).trimmed(), features

    def log_odds(self, tokens: Tensor, captioner: Captioner, batch: Pictured, features: Any) -> Tensor:
        """Σ log(s / (1 − s)) of captions (B, n, T): (B, n) float64, 0 where one names nothing."""
        assert self.support is not None and self.vocabulary is not None, "`of` gives the support"
        reading = read_evidence(captioner, features, tokens.flatten(0, 1), self.support.probe)
        words = [[self.vocabulary.decode(row) for row in rows] for rows in tokens.tolist()]
        sums = torch.zeros(tokens.shape[:2], dtype=torch.float64)
        for k in range(tokens.shape[1]):
            named = [row for row, of in enumerate(words) if self.support.objects.located(" ".join(of[k]))]
            largest = self._relevance(captioner, batch, tokens[:, k], named)
            for row in named:
                evidence: Evidence = reading.of_row(row * tokens.shape[1] + k)
                if largest is not None:
                    evidence = {**evidence, RELEVANCE: largest[row].numpy()}
                sums[row, k] = _sum_of_log_odds(self.support.of_objects(words[row][k], evidence))
        return sums

    def _relevance(
        self, captioner: Captioner, batch: Pictured, tokens: Tensor, named: Sequence[int]
    ) -> dict[int, Tensor] | None:
        """Image → the largest relevance (T,) of each word of its caption (T,), for those that name an object."""
        if self.relevance is None:
            return None
        if batch.images is None:
            raise UserError(
                "decoding.support.relevance explains pixels, and the captioner is given stored features: set "
                "data.cache_features=false, or decoding.support.relevance=null"
            )
        found = {}
        for row in named:
            said = tokens[row : row + 1]
            targets = Targets(said[:, : int((said != PAD).sum())])
            explained = attribute_all({RELEVANCE_BY: self.relevance}, captioner, Pictures(batch.images[[row]]), targets)
            found[row] = largest_relevance(explained[RELEVANCE_BY])[0].cpu()
        return found


def _sum_of_log_odds(named: Sequence[SupportedObject]) -> float:
    least: dict[str, float] = {}
    for thing in named:
        least[thing.mention.category] = min(thing.support, least.get(thing.mention.category, 1.0))
    return float(sum(logit(min(max(support, CERTAIN), 1 - CERTAIN)) for support in least.values()))
