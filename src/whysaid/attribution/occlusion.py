"""Occlusion: what happens to the score when a part of the input is hidden (Zeiler & Fergus 2014).

B images, k copies of each at once, S input tokens, T explained words, R regions.
"""

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import Inputs, SharedPasses, split_copies
from whysaid.attribution.method import Explanation
from whysaid.errors import UserError


class Occlusion(SharedPassMethod):
    """The drop of the score when a square of the image, or an earlier word, is hidden.

    A pixel is given the mean drop over the squares that hide it, the same for all channels (C = 1); a region the mean
    over its cell of the grid (0 without one, or without a place on it); a word the drop when its embedding is 0, which
    for a word that was said later is 0 up to rounding. Forwards only.

    Args:
        window: side of the square, pixels.
        stride: pixels from one square to the next, at most `window`; squares at the far edges may be cut.
        baseline: value of hidden pixels, after preprocessing: 0 is the mean colour.
        chunk: copies of each image seen at once, which caps the memory.

    Raises:
        UserError: a stride that leaves gaps, a window larger than the image, or no images.
    """

    def __init__(self, window: int = 32, stride: int = 16, baseline: float = 0.0, chunk: int = 4):
        if not 1 <= stride <= window:
            raise UserError(f"occlusion needs a stride between 1 and its window of {window} pixels, not {stride}")
        self.window, self.stride, self.baseline, self.chunk = window, stride, baseline, chunk

    def explain(self, passes: SharedPasses) -> Explanation:
        images, encoder = passes.inputs.images, passes.model.encoder
        if images is None:
            raise UserError("occlusion hides parts of images: give the images, not cached features")
        grid = encoder.grid_at(images.shape[-2], images.shape[-1])
        score = passes.scores
        pixels, words = self._of_pixels(passes, images, score), self._of_words(passes, score)
        regions = torch.zeros_like(passes.attention)
        if grid is not None:
            size = images.shape[-2], images.shape[-1]
            regions = encoder.off_grid(adaptive_avg_pool2d(pixels.squeeze(2), grid), regions, size)
        return Explanation(pixels, regions, words, passes.zero_residual)

    def _of_pixels(self, passes: SharedPasses, images: Tensor, score: Tensor) -> Tensor:
        """Gives the mean drop over the squares that hide each pixel, (B, T, 1, H, W)."""
        drops, hidden = images.new_zeros(()), images.new_zeros(())
        for masks in self._squares(images).split(passes.chunk):
            copies = torch.where(masks.unsqueeze(1), self.baseline, images.unsqueeze(1))
            embedded = passes.inputs.embedded.unsqueeze(1).expand(-1, len(masks), -1, -1)
            without = _score(passes.with_inputs(passes.inputs.copies(copies, embedded)))
            drop = score.unsqueeze(1) - split_copies(without, len(masks))
            drops = drops + torch.einsum("bkt,khw->bthw", drop, masks.to(drop))
            hidden = hidden + masks.sum(0)
        return (drops / hidden).unsqueeze(2)

    def _of_words(self, passes: SharedPasses, score: Tensor) -> Tensor:
        """Gives the drop without each word, (B, T, S)."""
        embedded = passes.inputs.embedded
        kept = ~torch.eye(embedded.shape[1], dtype=torch.bool, device=embedded.device)
        drops = []
        for chunk in kept.split(passes.chunk):
            copies = (embedded.unsqueeze(1) * chunk.unsqueeze(2)).flatten(0, 1)
            without = _score(passes.with_inputs(Inputs(None, passes.regions, passes.encoder_pass.mask, copies)))
            drops.append(score.unsqueeze(1) - split_copies(without, len(chunk)))
        return torch.cat(drops, 1).transpose(1, 2)

    def _squares(self, images: Tensor) -> Tensor:
        """Marks what each window hides, (windows, H, W) bool."""
        sides = [self._spans(side) for side in images.shape[-2:]]
        rows, columns = (side.to(images.device) for side in sides)
        return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)

    def _spans(self, side: int) -> Tensor:
        """Marks what each window hides along one side of the image, (windows, side) bool."""
        if self.window > side:
            raise UserError(f"a window of {self.window} pixels is larger than an image of {side}: set a smaller one")
        starts = torch.arange(ceil((side - self.window) / self.stride) + 1).unsqueeze(1) * self.stride
        places = torch.arange(side)
        return (places >= starts) & (places < starts + self.window)


@torch.no_grad()
def _score(passes: SharedPasses) -> Tensor:
    """Gives the scores, without the graph that other methods need who share passes."""
    return passes.scores
