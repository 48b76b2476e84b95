"""∅, the picture that is none: what a captioner would say without looking.

B images, R regions.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from whysaid.attribution.method import Method
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured, Pictures
from whysaid.data.vocabulary import PAD
from whysaid.decoding.contrast.pairs import OneForAll, Pairs, halves
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Regions


class Absent(ABC):
    """Makes the features of ∅ beside those of the pictures."""

    takes_mean: ClassVar[bool] = False
    """Whether the captioner must know the mean of its training features."""

    @abstractmethod
    def pairs(self, captioner: Captioner, batch: Pictured) -> Pairs:
        """Gives the features of a batch's pictures, each encoded once, and of ∅."""


class Mean(Absent):
    """The mean of the training features: a picture of everything and of nothing."""

    takes_mean = True

    def pairs(self, captioner: Captioner, batch: Pictured) -> Pairs:
        """Raises UserError: the captioner does not know the mean."""
        if captioner.mean_regions is None:
            raise UserError(
                "the checkpoint holds no mean of its training features, and its training pictures are not at hand to "
                "compute it: choose decoding/contrast/absent=grey"
            )
        present = captioner.features(batch)
        mean = captioner.mean_regions.to(captioner.embedding.weight).unsqueeze(0)
        return Pairs(present, OneForAll(captioner.project(*Regions(mean))))


class Grey(Absent):
    """A picture of the one colour in the middle between black and white."""

    def pairs(self, captioner: Captioner, batch: Pictured) -> Pairs:
        """Raises UserError: the captioner's encoder sees no pixels."""
        if captioner.encoder.grid is None:
            raise UserError("these regions are not computed from pixels: choose decoding/contrast/absent=mean")
        preprocessing, like = captioner.encoder.preprocessing, captioner.embedding.weight
        mean, std = (like.new_tensor(values).view(1, -1, 1, 1) for values in (preprocessing.mean, preprocessing.std))
        grey = ((0.5 - mean) / std).expand(1, -1, preprocessing.size, preprocessing.size)
        present = captioner.features(batch)
        return Pairs(present, OneForAll(captioner.project(*captioner.encoder(grey))))


SCHEDULE = 1000
"""Steps of the diffusion."""


class Noise(Absent):
    """The picture under Gaussian noise, √ᾱ x + √(1 − ᾱ) ε: a diffusion's own, after so many of its steps.

    The noise is drawn with torch's global generator, for each member of an ensemble anew.

    Args:
        steps: 0 … 1000 of the sigmoid schedule of Leng et al. 2024, who take 500; 1000 leaves next to nothing.

    Raises:
        UserError: steps outside of the schedule.
    """

    def __init__(self, steps: int = 500):
        if not 0 <= steps <= SCHEDULE:
            raise UserError(f"decoding.contrast.absent.steps is {steps}: set it to between 0 and {SCHEDULE}")
        rates = torch.linspace(-6, 6, SCHEDULE, dtype=torch.float64).sigmoid() * (0.5e-2 - 1e-5) + 1e-5
        self.kept = float((1 - rates)[:steps].prod())

    def pairs(self, captioner: Captioner, batch: Pictured) -> Pairs:
        """Raises UserError: the batch holds stored features and no pixels."""
        if batch.images is None:
            raise UserError(
                "noise is laid on pixels, and the captioner is given stored features: set data.cache_features=false or "
                "choose decoding/contrast/absent=mean"
            )
        noised = self.kept**0.5 * batch.images + (1 - self.kept) ** 0.5 * torch.randn_like(batch.images)
        return Pairs(*halves(captioner.encode(torch.cat([batch.images, noised]))))


class Masked(Absent):
    """The picture without its most relevant regions: those that the caption which is written without contrast rests on.

    Args:
        relevance: the method that says so; attention costs one more forward, LRP a backward.
        share: of the regions that are taken out, in (0, 1).
        max_length: words of that caption, which is written greedily.

    Raises:
        UserError: a share outside of its range.
    """

    def __init__(self, relevance: Method, share: float = 0.25, max_length: int = 20):
        if not 0 < share < 1:
            raise UserError(f"decoding.contrast.absent.share is {share}: set it above 0 and below 1")
        self.relevance, self.share, self.greedy = relevance, share, Greedy(max_length)

    def pairs(self, captioner: Captioner, batch: Pictured) -> Pairs:
        """Raises UserError: no region can be hidden from the captioner."""
        if not captioner.masks_regions:
            raise UserError(
                f"no region can be hidden from {type(captioner).__name__}, which reads all of a picture: choose "
                "decoding/contrast/absent=mean"
            )
        values, mask = captioner.regions(batch)
        present = captioner.project(values, mask)
        tokens = self.greedy(captioner, present).tokens[:, 0]
        explanation = self.relevance.attribute(captioner, Pictures(regions=values, mask=mask), Targets(tokens))
        said = (tokens != PAD).to(explanation.regions)
        relevance = (explanation.regions.clamp(min=0) * said[..., None]).sum(1)
        real = torch.ones_like(relevance, dtype=torch.bool) if mask is None else mask
        order = relevance.masked_fill(~real, -1).argsort(1, descending=True)
        taken = (self.share * real.sum(1, keepdim=True)).ceil().clamp(max=real.sum(1, keepdim=True) - 1)
        return Pairs(present, captioner.project(values, real & (order.argsort(1) >= taken)))
