"""What speaks for a word of a caption: how probable it was, how much the picture made it so, and what it rests on.

B images, N rows of words, S words of a caption, T explained words, K categories of objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.method import Explanation
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.targets import Targets
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Regions

Array = NDArray[np.floating]

LOG_P, CONTRAST, RELEVANCE, PRESENCE = "log_p", "contrast", "relevance", "presence"
"""Log-probability of a word; the same less that without the picture; log(1 + its largest relevance); the log-odds that
the picture shows such an object, by a linear probe."""

RELEVANCE_BY = "lrp"
"""The method of `conf/attribution` whose relevance counts, with its own settings."""

Evidence = Mapping[str, Array | None]
"""Name of a score → its value for each of M words; None where it is not known. `PRESENCE` of a caption has a value for
each category of the probe in place of each word."""


@dataclass(frozen=True)
class Reading:
    """What a captioner makes of captions that were said of B pictures.

    Attributes:
        log_p: (B, S) log-probability of each word.
        entropy: (B, S) of the distribution that it was taken from, in nats.
        contrast: (B, S) `log_p` less that given the mean of the training pictures; None where that is not known.
        presence: (P, K) log-odds of each category for P pictures, of B / P captions each; None without a probe.
    """

    log_p: Tensor
    entropy: Tensor
    contrast: Tensor | None
    presence: Array | None = None

    def of_row(self, row: int) -> Evidence:
        """What speaks for the S words of one caption."""
        contrast = None if self.contrast is None else self.contrast[row].double().cpu().numpy()
        presence = None if self.presence is None else self.presence[row * len(self.presence) // len(self.log_p)]
        return {LOG_P: self.log_p[row].double().cpu().numpy(), CONTRAST: contrast, PRESENCE: presence}


@torch.no_grad()
def read_evidence(captioner: Captioner, features: Any, tokens: Tensor, probe: Presence | None = None) -> Reading:
    """Reads captions of pictures once, and once more without the pictures; no picture is encoded.

    Args:
        captioner: in evaluation mode; `mean_regions` is what it sees where there is no picture.
        features: of the pictures, each of which has the same number of captions.
        tokens: (B, S) int64, as decoders return them.
        probe: tells from the features what the pictures show; None does not.
    """
    distribution = _log_probs(captioner, features, tokens)
    log_p = _of(tokens, distribution)
    contrast = None
    if captioner.mean_regions is not None:
        contrast = log_p - _of(tokens, _log_probs(captioner, without_picture(captioner), tokens))
    presence = None if probe is None else probe(features)
    return Reading(log_p, -(distribution.exp() * distribution).sum(-1), contrast, presence)


def without_picture(captioner: Captioner) -> Any:
    """The features, of one image, of the mean of the training pictures."""
    assert captioner.mean_regions is not None, "the captioner knows no mean of its training features"
    return captioner.project(*Regions(captioner.mean_regions.to(captioner.embedding.weight)[None]))


def largest_relevance(explanation: Explanation) -> Tensor:
    """log(1 + max R⁺) of the raw map of each explained word, (B, T): over pixels, or over regions without them.

    The map is as the method gives it, its channels added and nothing divided by its own maximum: that would take away
    what tells hallucinated words.
    """
    heat = explanation.regions if explanation.pixels is None else explanation.pixels.sum(2).flatten(2)
    return heat.detach().double().amax(2).clamp(min=0).log1p()


def _log_probs(captioner: Captioner, features: Any, tokens: Tensor) -> Tensor:
    logits = captioner.unroll(Targets(tokens).inputs(), features).logits
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)


def _of(tokens: Tensor, distribution: Tensor) -> Tensor:
    return distribution.gather(2, tokens.unsqueeze(2)).squeeze(2)
