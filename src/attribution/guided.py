"""Backwards that let only positive gradients through the encoder's ReLUs.

B images, S input tokens, T explained words, R regions. Regions and words lie behind these ReLUs and are given the
gradient itself, summed over features or embedding.
"""

from src.attribution.explanation import Explanation
from src.attribution.passes import Passes, ToPixels
from src.attribution.relus import ReLURule


class DeconvNet(ToPixels):
    """Negative gradients are dropped at each ReLU, whatever its input was (Zeiler & Fergus 2014).

    Raises UserError: there are no images, or the encoder has no ReLU.
    """

    rule = ReLURule.DECONV

    def explain(self, passes: Passes) -> Explanation:
        words, regions = passes.gradients
        return Explanation(passes.pixels(self.rule), regions.sum(-1), words.sum(-1), passes.nothing)


class GuidedBackprop(DeconvNet):
    """Negative gradients are dropped, and those of what the ReLU blocked (Springenberg et al. 2015)."""

    rule = ReLURule.GUIDED
