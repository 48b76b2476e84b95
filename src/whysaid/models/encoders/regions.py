"""Bottom-up regions (Anderson et al. 2018): vectors of detected boxes, prepared as files and never computed here.

R regions, D features.
"""

from torch import Tensor

from whysaid.data.images import imagenet_preprocessing
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder, Regions


class RegionFeatures(Encoder):
    """Stands where an encoder stands, for batches that bring their regions.

    Args:
        dim: D, width of a region vector.
    """

    def __init__(self, dim: int = 2048):
        super().__init__()
        self.dim = dim
        self.grid = None
        self.preprocessing = imagenet_preprocessing()  # for figures; the detector's own is not this project's

    def forward(self, images: Tensor) -> Regions:
        """Raises UserError: there is no network from pixels to bottom-up regions."""
        raise UserError(
            "bottom-up regions cannot be computed from pixels: prepare them as files (`python -m src.prepare`), "
            "or choose another encoder"
        )
