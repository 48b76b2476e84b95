"""What a picture is said to hold, joined to what is seen of it: the input of label augmentation (Biten et al. 2022).

B images, R regions, D features, C categories of objects.
"""

import torch
from torch import Tensor, nn

from whysaid.models.encoders.encoder import Encoder, Regions

STEEP = 10.0
"""Factor on the detector's linear scores, which otherwise take too many steps to grow apart."""


class Labelled(Encoder):
    """An encoder whose every region also tells which objects are in the picture: v_i + Σ of the labels' vectors.

    The labels are those that a linear detector finds in the encoder's own regions, each category where it is surest of
    it. The labels' vectors start at 0, so that at first the regions are the encoder's own. A vision transformer's class
    token is a region like all others, which has no place on the grid.

    Args:
        encoder: what sees the picture.
        categories: C.
        threshold: probability from which a label is joined, in (0, 1).
    """

    def __init__(self, encoder: Encoder, categories: int, threshold: float = 0.5):
        super().__init__()
        self.encoder, self.threshold = encoder, threshold
        self.dim, self.grid, self.preprocessing = encoder.dim, encoder.grid, encoder.preprocessing
        self.prefix_tokens = encoder.prefix_tokens
        self.attends, self.attends_between_regions = encoder.attends, encoder.attends_between_regions
        self.detector = nn.Linear(encoder.dim, categories)
        self.vectors = nn.Linear(categories, encoder.dim, bias=False)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions (B, R, D) that tell what is in the picture."""
        seen = self.encoder(images)
        with torch.no_grad():
            labels = self.scores(seen).sigmoid() > self.threshold
        return self.joined(seen, labels)

    def grid_at(self, height: int, width: int) -> tuple[int, int] | None:
        return self.encoder.grid_at(height, width)

    def on_grid(self, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        return self.encoder.on_grid(maps, size)

    def off_grid(self, placed: Tensor, elsewhere: Tensor, size: tuple[int, int]) -> Tensor:
        return self.encoder.off_grid(placed, elsewhere, size)

    def scores(self, seen: Regions) -> Tensor:
        """Logits (B, C) of the presence of each category in what the encoder saw."""
        scores: Tensor = STEEP * self.detector(seen.values)
        if seen.mask is not None:
            scores = scores.masked_fill(~seen.mask[..., None], -torch.inf)
        return scores.amax(1)

    def joined(self, seen: Regions, labels: Tensor) -> Regions:
        """What the encoder saw, with labels (B, C) bool."""
        vectors = self.vectors(labels.to(self.vectors.weight))
        return Regions(seen.values + vectors.unsqueeze(1), seen.mask)
