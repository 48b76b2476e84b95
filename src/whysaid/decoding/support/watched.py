"""A contrast whose two distributions are shown to a filter too.

N captions, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from whysaid.data.batch import Pictured
from whysaid.decoding.contrast.absent import Mean
from whysaid.decoding.contrast.contrasted import Contrasted, Model
from whysaid.decoding.contrast.pairs import Pairs
from whysaid.decoding.contrast.rules import NoContrast, Rule
from whysaid.decoding.decoder import Contrast
from whysaid.decoding.support.unsupported import SupportMask
from whysaid.errors import UserError


class Watched:
    """Steps with and without the picture, and lets a filter judge by both which words are forbidden.

    Args:
        contrast: of the decoding; None leaves the distribution as it is.
        mask: the filter.

    Raises:
        UserError: the filter knows words by another ∅ than the contrast's.
    """

    def __init__(self, contrast: Contrast | None, mask: SupportMask):
        self.mask, self.absent = mask, Mean()
        self.rule: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _as_it_is
        if isinstance(contrast, Rule):
            if mask.contrasted and not isinstance(contrast.absent, Mean):
                raise UserError(
                    "support is fitted on what the picture adds to the mean picture: choose "
                    "decoding/contrast/absent=mean, or give Unsupported scores=[log_p]"
                )
            self.absent, self.rule = contrast.absent, contrast

    @property
    def takes_mean(self) -> bool:
        """Whether captioners must know the mean of their training features."""
        return self.absent.takes_mean

    def around(self, model: Model, batch: Pictured) -> tuple[Contrasted, Pairs, Any]:
        """Sets a captioner against itself without the pictures of a batch, as `Rule.around` does."""
        contrasted = Contrasted(model, self.absent, self.rule, self.mask.judge)
        pairs = contrasted.features(batch)
        if self.mask.probe is not None:
            shown = self.mask.probe(pairs.present)
            if shown is None:
                raise UserError(
                    "the support of this checkpoint was fitted on what other features show: run study=support anew, or "
                    "give Unsupported scores=[log_p, contrast]"
                )
            pairs = replace(pairs, shown=torch.from_numpy(shown))
        return contrasted, pairs, pairs.present


def needs_watch(contrast: Contrast | None, mask: SupportMask) -> bool:
    """Tells whether a filter cannot judge by what it is given: the captioner's own log-probabilities."""
    return mask.contrasted or not (contrast is None or isinstance(contrast, NoContrast))


def _as_it_is(present: Tensor, absent: Tensor, words: Tensor, forbidden: Tensor) -> Tensor:
    return present
