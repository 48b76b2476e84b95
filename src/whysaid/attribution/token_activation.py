"""Token activation maps: what a word activates, less what the words before it did (Li et al. 2025).

B images, T explained words, C words said up to the last of them, S input tokens, R regions, V vocabulary, h × w cells.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import SharedPasses
from whysaid.attribution.grid import on_pixels
from whysaid.attribution.method import Explanation
from whysaid.attribution.targets import Targets
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder


class TokenActivation(SharedPassMethod):
    """(a_t − s Σ_j ω_j a_j)⁺: a_j is the map of an earlier word j, ω_j its relevance for word t, Σ ω = 1.

    s is the scale at which the words before explain most of a_t by least squares. Words that are the same as t are no
    interference. What is left goes through the rank Gaussian filter.

    Of a model that reads image and words as one sequence, a_t is the logit of word t at each region, and ω its logit at
    each earlier word, held above 0, as published. Other models say nothing at a region: a_t and ω are then gradient ×
    input, held above 0.

    Args:
        window: side of the filter's window, cells of the encoder's grid, odd; 1 leaves the filter out; published: 3.
        chunk: words explained at once, which caps the memory.

    Raises:
        UserError: a window that has no middle.
    """

    signed = False

    def __init__(self, window: int = 3, chunk: int = 4):
        if window < 1 or window % 2 == 0:
            raise UserError(f"the filter's window has a cell in its middle: its side is odd, and not {window}")
        self.window, self.chunk = window, chunk

    def explain(self, passes: SharedPasses) -> Explanation:
        targets = passes.targets
        assert isinstance(targets, Targets), "passes that were asked for explain words of a caption"
        maps, words = _activated(passes, targets)
        before = targets.said()
        if before is not None:
            interfering, _ = _activated(passes.with_targets(before), before)
            weights = _weights(passes, targets, before, words)
            maps = without_interference(maps, weights @ interfering)
        maps = filtered(maps, passes, self.window)
        return Explanation(on_pixels(maps, passes), maps, words, passes.zero_residual)


def _activated(passes: SharedPasses, targets: Targets) -> tuple[Tensor, Tensor]:
    """Gives what each explained word activates of regions (B, T, R) and of words (B, T, S), ≥ 0."""
    reading, model, embedded = passes.reading, passes.model, passes.inputs.embedded
    if reading.image_output is None:
        of_words, of_regions = passes.gradients
        regions = (of_regions * passes.regions.unsqueeze(1)).sum(-1)
        return regions.clamp(min=0), (of_words * embedded.unsqueeze(1)).sum(-1).clamp(min=0)
    with torch.no_grad():
        explained = targets.chosen(model.head(reading.output[:, targets.places]))
        regions, words = (
            model.head(output).transpose(1, 2).take_along_dim(explained.unsqueeze(2), 1).clamp(min=0)
            for output in (reading.image_output, reading.output)
        )
    read = (
        torch.arange(words.shape[2], device=words.device) <= torch.tensor(targets.places, device=words.device)[:, None]
    )
    return regions, pad(words * read, (0, embedded.shape[1] - words.shape[2]))


@torch.no_grad()
def _weights(passes: SharedPasses, targets: Targets, before: Targets, words: Tensor) -> Tensor:
    """Gives ω (B, T, C): relevance of each word said before the explained one and other than it; sums to 1, or is 0."""
    explained = targets.chosen(passes.model.head(passes.reading.output[:, targets.places]))
    places = torch.tensor([place + 1 for place in before.places], device=words.device)  # where each was read
    relevance = pad(words, (0, 1))[..., places]
    earlier = places <= torch.tensor(targets.places, device=words.device).unsqueeze(1)
    other = before.tokens.unsqueeze(1) != explained.unsqueeze(2)
    relevance = relevance * earlier * other
    total = relevance.sum(2, keepdim=True)
    return relevance / torch.where(total > 0, total, 1.0)


def without_interference(maps: Tensor, interference: Tensor) -> Tensor:
    """Subtracts interference (…, R) from maps (…, R) at the scale of least squares, and holds the rest above 0."""
    size = interference.square().sum(-1, keepdim=True)
    scale = (maps * interference).sum(-1, keepdim=True) / torch.where(size > 0, size, 1.0)
    return (maps - scale * interference).clamp(min=0)


def filtered(maps: Tensor, passes: SharedPasses, window: int) -> Tensor:
    """Filters maps (B, T, R) on their grid; regions without a grid, or a place in the image, stay as they are."""
    encoder: Encoder = passes.model.encoder
    if window == 1 or encoder.grid is None:
        return maps
    images = passes.inputs.images
    side = encoder.preprocessing.size
    size = (side, side) if images is None else (images.shape[-2], images.shape[-1])
    return encoder.off_grid(rank_gaussian(encoder.on_grid(maps, size), window), maps, size)


def rank_gaussian(maps: Tensor, window: int) -> Tensor:
    """The rank Gaussian filter: a mean of each window's sorted values, weighted around their median.

    The weights are a Gaussian of the distance in ranks from the median, whose σ is the window's coefficient of
    variation: where values differ little, the median alone is left.

    Args:
        maps: (B, T, h, w) ≥ 0.
        window: side, cells; at most twice the grid's, less one.
    """
    side = window // 2
    padded = pad(maps, (side,) * 4, mode="reflect" if min(maps.shape[2:]) > side else "replicate")
    values = padded.unfold(2, window, 1).unfold(3, window, 1).flatten(4).sort(-1).values
    mean = values.mean(-1, keepdim=True)
    deviation = values.std(-1, correction=0, keepdim=True) / torch.where(mean > 0, mean, 1.0)
    ranks = torch.arange(window**2).to(values) - window**2 // 2
    weights = torch.exp(-ranks.square() / (2 * deviation.square() + torch.finfo(values.dtype).tiny))
    return (values * weights).sum(-1) / weights.sum(-1)
