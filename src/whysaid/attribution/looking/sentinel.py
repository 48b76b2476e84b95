"""Attention as an explanation: where the model looked, and how much it looked at all.

B images, S input tokens, T explained words, R regions.
"""

from torch import Tensor

from whysaid.attribution.explanation import Explanation
from whysaid.attribution.gradient.shared_passes import SharedPasses, SharedPassMethod
from whysaid.attribution.grid import on_pixels
from whysaid.errors import UserError


class Attention(SharedPassMethod):
    """The weight of each region, (1 − β)α where there is a sentinel; it says nothing of words, which are all 0."""

    signed = False

    def explain(self, passes: SharedPasses) -> Explanation:
        return _of_image(passes, passes.attention, on_pixels(passes.attention, passes))


class Sentinel(SharedPassMethod):
    """1 − β, the share of attention that went to the image, the same for all its parts; words are all 0.

    Raises UserError: the model has no sentinel.
    """

    signed = False

    def explain(self, passes: SharedPasses) -> Explanation:
        beta, images = passes.reading.sentinel, passes.inputs.images
        if beta is None:
            raise UserError(f"{type(passes.model).__name__} has no sentinel: choose another attribution")
        looked = 1 - beta[:, passes.targets.places].detach().unsqueeze(2)
        regions = looked.expand_as(passes.attention)
        if passes.seen.mask is not None:
            regions = regions * passes.seen.mask.unsqueeze(1)
        pixels = None if images is None else looked[..., None, None].expand(-1, -1, 1, *images.shape[-2:])
        return _of_image(passes, regions, pixels)


def _of_image(passes: SharedPasses, regions: Tensor, pixels: Tensor | None) -> Explanation:
    words = regions.new_zeros(*regions.shape[:2], passes.inputs.embedded.shape[1])
    return Explanation(pixels, regions, words, passes.zero_residual)
