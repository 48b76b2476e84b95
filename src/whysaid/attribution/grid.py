"""From the encoder's grid to its pixels.

B images, T explained words, R regions.
"""

from torch import Tensor
from torch.nn.functional import interpolate

from whysaid.attribution.gradient.shared_passes import SharedPasses


def on_pixels(maps: Tensor, passes: SharedPasses) -> Tensor | None:
    """Draws maps (B, T, R) bilinearly over the images as (B, T, 1, H, W); gives None where there are no images.

    Raises:
        UserError: the encoder has no grid, or the images are of another size than its own.
    """
    images = passes.inputs.images
    if images is None:
        return None
    size = images.shape[-2], images.shape[-1]
    return interpolate(passes.model.encoder.on_grid(maps, size), size, mode="bilinear").unsqueeze(2)
