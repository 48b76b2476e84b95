"""SmoothGrad (Smilkov et al. 2017).

B images, n draws, k draws at once, S input tokens, T explained words, R regions, D encoder features.
"""

import torch
from torch import Tensor

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod
from whysaid.attribution.gradient.shared_passes import Inputs, SharedPasses, split_copies
from whysaid.attribution.gradient.summed import over_embedding
from whysaid.attribution.method import Explanation
from whysaid.errors import UserError


class SmoothGrad(SharedPassMethod):
    """The mean gradient around the input: Gaussian noise on pixels and embedded words at once, signs kept.

    Of what is shown, the magnitude counts, as of every gradient that is not multiplied by its input.

    The standard deviation is a share of the range (largest less smallest number) of each image, and of each embedded
    word (and of each region, where these stand in for images). Every image gets the same draws.

    Args:
        draws: n; paper: 50.
        noise: the share, ≥ 0; paper: 0.1–0.2.
        seed: of the draws.
        chunk: words explained at once, or draws where there are fewer words, which caps the memory.

    Raises:
        UserError: draws < 1 or noise < 0.
    """

    signed = False

    def __init__(self, draws: int = 50, noise: float = 0.15, seed: int = 0, chunk: int = 4):
        if draws < 1 or noise < 0:
            raise UserError(f"SmoothGrad needs draws ≥ 1 and noise ≥ 0, not {draws} and {noise}")
        self.draws, self.noise, self.seed, self.chunk = draws, noise, seed, chunk

    def explain(self, passes: SharedPasses) -> Explanation:
        inputs, generator = passes.inputs, torch.Generator().manual_seed(self.seed)
        words = regions = pixels = inputs.sight.new_zeros(())
        for chunk in torch.arange(self.draws).split(passes.at_once):
            near, k = passes.with_inputs(self._near(inputs, len(chunk), generator)), len(chunk)
            words = words + split_copies(over_embedding(near.gradients.words), k).sum(1) / self.draws
            regions = regions + split_copies(near.gradients.regions.sum(-1), k).sum(1) / self.draws
            if inputs.images is not None:
                pixels = pixels + split_copies(near.pixels(), k).sum(1) / self.draws
        return Explanation(None if inputs.images is None else pixels, regions, words, passes.zero_residual)

    def _near(self, inputs: Inputs, number: int, generator: torch.Generator) -> Inputs:
        """Makes copies of the inputs with the next draws, which do not depend on how many are taken at once."""
        parts = inputs.sight, inputs.embedded
        drawn = [[torch.randn(part.shape[1:], generator=generator) for part in parts] for _ in range(number)]
        noise = [torch.stack(draws) for draws in zip(*drawn, strict=True)]
        axes = (-1,) if inputs.images is None else (-3, -2, -1), (-1,)
        sight, embedded = (self._moved(*moved) for moved in zip(parts, noise, axes, strict=True))
        return inputs.copies(sight, embedded)

    def _moved(self, x: Tensor, noise: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Adds noise (k, …) to x (B, …), in shares of its range over `axes`: (B, k, …)."""
        deviation = self.noise * (x.amax(axes, keepdim=True) - x.amin(axes, keepdim=True))
        return x.unsqueeze(1) + deviation.unsqueeze(1) * noise.to(x)
