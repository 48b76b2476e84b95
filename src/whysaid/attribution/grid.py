"""From the encoder's grid to its pixels.

B images, T explained words, R regions.
"""

from torch import Tensor
from torch.nn.functional import interpolate

from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.errors import UserError


def on_pixels(maps: Tensor, passes: SharedPasses) -> Tensor | None:
    """Draws maps (B, T, R) bilinearly over the images as (B, T, 1, H, W); gives None where there are no images.

    Raises:
        UserError: the encoder has no grid, or the images are of another size than its own.
    """
    images, grid = passes.inputs.images, passes.model.encoder.grid
    if images is None:
        return None
    if grid is None or grid[0] * grid[1] != maps.shape[2]:
        fault = "have no grid" if grid is None else f"are {maps.shape[2]} and not the {grid[0]} × {grid[1]} of its grid"
        raise UserError(
            f"regions of {type(passes.model.encoder).__name__} {fault}, so there is no map of the pixels: "
            "choose another attribution, or images of the encoder's own size"
        )
    return interpolate(maps.unflatten(2, grid), images.shape[-2:], mode="bilinear").unsqueeze(2)
