"""Backwards that let only positive gradients through the encoder's ReLUs.

Of the numbers, the magnitude counts: their sign is that of the first layer's weights, and both lie on every object.

B images, S input tokens, T explained words, R regions. Regions and words lie behind these ReLUs and are given the
gradient itself, summed over features or embedding.
"""

from whysaid.attribution.gradient.relus import ReLURule
from whysaid.attribution.gradient.shared_pass_method import PixelGradientMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.gradient.summed import over_embedding
from whysaid.attribution.method import Explanation


class DeconvNet(PixelGradientMethod):
    """Negative gradients are dropped at each ReLU, whatever its input was (Zeiler & Fergus 2014).

    Raises:
        UserError: there are no images, or the encoder has no ReLU.
    """

    rule = ReLURule.DECONV
    signed = False

    def explain(self, passes: SharedPasses) -> Explanation:
        words, regions = passes.gradients
        return Explanation(passes.pixels(self.rule), regions.sum(-1), over_embedding(words), passes.zero_residual)


class GuidedBackprop(DeconvNet):
    """Negative gradients are dropped, and those of what the ReLU blocked (Springenberg et al. 2015)."""

    rule = ReLURule.GUIDED
