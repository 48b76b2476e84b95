"""Explanations by the gradient itself, of the encoder's ReLUs as they are.

B images, S input tokens, T explained words, R regions, D encoder features, E embedding. Relevance of single numbers
of a word or a region is summed over E or D.
"""

from whysaid.attribution.gradient.shared_pass_method import PixelGradientMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.gradient.summed import over_embedding
from whysaid.attribution.method import Explanation


class Saliency(PixelGradientMethod):
    """|gradient| of pixels and regions (Simonyan et al. 2014); the gradient of words keeps its sign."""

    signed = False

    def explain(self, passes: SharedPasses) -> Explanation:
        words, regions = passes.gradients
        pixels = None if passes.inputs.images is None else passes.pixels().abs()
        return Explanation(pixels, regions.abs().sum(-1), over_embedding(words), passes.zero_residual)


class InputXGradient(PixelGradientMethod):
    """Gradient × input (Shrikumar et al. 2016): what a linear model with these slopes would add up."""

    parts_of_score = True

    def explain(self, passes: SharedPasses) -> Explanation:
        words, regions = passes.gradients
        images = passes.inputs.images
        return Explanation(
            None if images is None else passes.pixels() * images.unsqueeze(1),
            (regions * passes.regions.unsqueeze(1)).sum(-1),
            (words * passes.inputs.embedded.unsqueeze(1)).sum(-1),
            passes.zero_residual,
        )
