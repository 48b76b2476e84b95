"""The sentinel as an explanation: how much the model looked at the image at all.

B images, T explained words, R regions.
"""

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.looking.attention import of_image_alone
from whysaid.attribution.method import Explanation
from whysaid.errors import DoesNotApplyError


class Sentinel(SharedPassMethod):
    """1 − β, the share of attention that went to the image, the same for all its parts; words are all 0.

    Raises:
        UserError: the model has no sentinel.
    """

    signed = False

    def explain(self, passes: SharedPasses) -> Explanation:
        beta, images = passes.reading.sentinel, passes.inputs.images
        if beta is None:
            raise DoesNotApplyError(f"{type(passes.model).__name__} has no sentinel: choose another attribution")
        share = 1 - beta[:, passes.targets.places].detach().unsqueeze(2)
        regions = share.expand_as(passes.attention)
        if passes.encoder_pass.mask is not None:
            regions = regions * passes.encoder_pass.mask.unsqueeze(1)
        pixels = None if images is None else share[..., None, None].expand(-1, -1, 1, *images.shape[-2:])
        return of_image_alone(passes, regions, pixels)
