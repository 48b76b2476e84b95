"""How the log-probabilities given a picture and those given none become what words are chosen by.

N rows, V vocabulary.
"""

from math import log
from typing import Any

import torch
from torch import Tensor

from whysaid.data.batch import Pictured
from whysaid.decoding.contrast.absent import Absent
from whysaid.decoding.contrast.contrasted import Contrasted, Model
from whysaid.decoding.contrast.pairs import Pairs
from whysaid.decoding.decoder import Describer
from whysaid.errors import UserError


class Rule:
    """l + w (l − l₀) over the words with p ≥ β · max p; subclasses say what w is.

    Args:
        absent: makes ∅, the picture that is none.
        beta: β, in [0, 1); 0 lets every word be said. Leng et al. 2024: 0.1.

    Raises:
        UserError: a setting is outside of its range.
    """

    def __init__(self, absent: Absent, beta: float = 0.1):
        if not 0 <= beta < 1:
            raise UserError(f"decoding.contrast.beta is {beta}: set it to at least 0 and below 1")
        self.absent, self.beta = absent, beta

    @property
    def takes_mean(self) -> bool:
        """Whether captioners must know the mean of their training features."""
        return self.absent.takes_mean

    def around(self, model: Model, batch: Pictured) -> tuple[Contrasted, Pairs, Any]:
        """Sets a captioner, or an ensemble, against itself without the pictures of a batch.

        Returns:
            The stepper, the features that it takes, and those of the pictures alone.
        """
        contrasted = Contrasted(model, self.absent, self, plausible=self.plausible if self.beta > 0 else None)
        pairs = contrasted.features(batch)
        return contrasted, pairs, pairs.present

    def __call__(self, present: Tensor, absent: Tensor, words: Tensor, forbidden: Tensor | None = None) -> Tensor:
        """Gives what the next words are chosen by, (N, V), −inf where they are not plausible.

        Args:
            present: (N, V) log-probabilities l given the picture, or logits.
            absent: (N, V) log-probabilities l₀ given none, or logits. With logits a row may be off by a constant.
            words: (N, 1) int64, how many each caption has so far.
            forbidden: (N, V) bool, words that a filter will take out: those that are left are as plausible as they are
                beside each other. None: none.
        """
        contrasted = present + self.weight(words) * (present - absent)
        if self.beta == 0:
            return contrasted
        return contrasted.masked_fill(~self.plausible(present, forbidden), -torch.inf)

    def plausible(self, present: Tensor, forbidden: Tensor | None = None) -> Tensor:
        """Tells words with p ≥ β · max p, β > 0, (N, V) bool; arguments are those of a call."""
        allowed = present if forbidden is None else present.masked_fill(forbidden, -torch.inf)
        return present >= allowed.amax(-1, keepdim=True) + log(self.beta)

    def weight(self, words: Tensor) -> Tensor | float:
        """Gives w ≥ 0, the weight of l − l₀, of the word after so many (N, 1)."""
        raise NotImplementedError


class VCD(Rule):
    """(1 + α) l − α l₀: visual contrastive decoding (Leng et al. 2024).

    Args:
        absent, beta: as `Rule` takes them.
        alpha: α ≥ 0; 0 changes nothing but what β forbids. Leng et al.: 1.
    """

    def __init__(self, absent: Absent, alpha: float = 0.5, beta: float = 0.1):
        super().__init__(absent, beta)
        if alpha < 0:
            raise UserError(f"decoding.contrast.alpha is {alpha}: set it to 0 or more")
        self.alpha = alpha

    def weight(self, words: Tensor) -> float:
        return self.alpha


class M3ID(Rule):
    """l + (e^{λt} − 1)(l − l₀) for the word after t others: the longer a caption, the more a model forgets the
    picture (Favero et al. 2024).

    Args:
        absent, beta: as `Rule` takes them.
        fading: λ ≥ 0, a word.
    """

    def __init__(self, absent: Absent, fading: float = 0.05, beta: float = 0.1):
        super().__init__(absent, beta)
        if fading < 0:
            raise UserError(f"decoding.contrast.fading is {fading}: set λ to 0 or more")
        self.fading = fading

    def weight(self, words: Tensor) -> Tensor:
        return torch.expm1(self.fading * words)


class NoContrast:
    """The captioner as it is: takes the place of the contrast that a checkpoint's run decoded with."""

    takes_mean = False

    def around(self, model: Describer, batch: Pictured) -> tuple[Describer, Any, Any]:
        """Gives the model itself, and its features of a batch twice."""
        features = model.features(batch)
        return model, features, features
