"""Integrated gradients (Sundararajan et al. 2017).

B images, n steps, k steps at once, S input tokens, T explained words, R regions, D encoder features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses, split_copies
from whysaid.attribution.method import Explanation
from whysaid.errors import UserError


class IntegratedGradients(SharedPassMethod):
    """(x − x') times the mean gradient on the straight way from the baseline x' to x (Eq. 1), by the midpoint rule.

    Pixels and embedded words go the way together, so that they add up to the score less the baseline's. What regions
    go through on that way is integrated along it, and adds up with the words just as pixels do.

    Args:
        steps: n.
        baseline: value of all pixels where the way begins, after preprocessing: 0 is the mean colour; that of words,
            and of regions that stand in for images, is always 0.
        chunk: words explained at once, or steps where there are fewer words, which caps the memory.

    Raises:
        UserError: steps < 1.
    """

    parts_of_score = True

    def __init__(self, steps: int = 32, baseline: float = 0.0, chunk: int = 4):
        if steps < 1:
            raise UserError(f"integrated gradients need at least 1 step, not {steps}")
        self.steps, self.baseline, self.chunk = steps, baseline, chunk

    def explain(self, passes: SharedPasses) -> Explanation:
        """`residual` is the score, less the baseline's, less all that is attributed: the error of finite steps."""
        inputs, pictured = passes.inputs, passes.inputs.images is not None
        origin = torch.full_like(inputs.sight, self.baseline if pictured else 0.0)
        # not quite 0, which some models take for a word that is not there: the score would jump at the first step
        start = passes.with_inputs(inputs.copies(origin.unsqueeze(1), 1e-12 * inputs.embedded.unsqueeze(1)))
        baseline, way = start.scores, Way(start.regions)
        words = pixels = inputs.sight.new_zeros(())
        for shares in ((torch.arange(self.steps).to(origin) + 0.5) / self.steps).split(passes.at_once):
            sight = origin.unsqueeze(1) + _times(shares, inputs.sight - origin)
            there, k = passes.with_inputs(inputs.copies(sight, _times(shares, inputs.embedded))), len(shares)
            way.walk(split_copies(there.gradients.regions, k), split_copies(there.regions, k))
            words = words + split_copies(there.gradients.words, k).sum(1) / self.steps
            if pictured:
                pixels = pixels + split_copies(there.pixels(), k).sum(1) / self.steps
        words, regions = (words * inputs.embedded.unsqueeze(1)).sum(-1), way.arrive(passes.regions)
        pixels = pixels * (inputs.sight - origin).unsqueeze(1) if pictured else regions
        residual = passes.scores - baseline - pixels.flatten(2).sum(2) - words.sum(2)
        return Explanation(pixels if pictured else None, regions, words, residual)


@dataclass
class Way:
    """∫ gradient · d(regions) along the steps: gradients between two steps are their mean, at the ends the nearest.

    Attributes:
        regions: (B, R, D) where the way begins, then of the last step.
        gradients: (B, T, R, D) of the last step.
        sum: (B, T, R), the integral so far.
    """

    regions: Tensor
    gradients: Tensor | None = None
    sum: Tensor | float = 0.0

    def walk(self, gradients: Tensor, regions: Tensor) -> None:
        """Adds the next k steps, with gradients (B, k, T, R, D) and regions (B, k, R, D)."""
        for gradient, region in zip(gradients.unbind(1), regions.unbind(1), strict=True):
            between = gradient if self.gradients is None else (self.gradients + gradient) / 2
            self.sum = self.sum + (between * (region - self.regions).unsqueeze(1)).sum(-1)
            self.gradients, self.regions = gradient, region

    def arrive(self, regions: Tensor) -> Tensor:
        """Gives the whole integral (B, T, R), from the regions (B, R, D) where the way ends."""
        assert self.gradients is not None
        return self.sum + (self.gradients * (regions - self.regions).unsqueeze(1)).sum(-1)


def _times(shares: Tensor, x: Tensor) -> Tensor:
    """Multiplies x (B, …) by k numbers, (B, k, …)."""
    return x.unsqueeze(1) * shares.view(-1, *[1] * (x.ndim - 1))
