"""Logits reweighted by the relevance of the image: LRP-inference of Sun et al. 2020.

B images, K captions of each, N = B·K rows, T words, M explained words, J most explained words of an image, R regions,
H width of an output, V vocabulary.
"""

import logging

import torch
from torch import Tensor

from whysaid.attribution.backward import batched_gradient
from whysaid.attribution.explaining import explaining
from whysaid.attribution.lrp.lrp import LRP
from whysaid.models.captioner import Captioner
from whysaid.models.relevance import lrp
from whysaid.objectives.explained_words import ExplainedWords
from whysaid.objectives.objective import Logs

log = logging.getLogger(__name__)


class ImageRelevance:
    """p̂ = m ⊙ p with m = 1 + mean(E_t) at the explained word and 1 elsewhere (Eq. 10–11), a constant in the backward.

    E_t = R / max|R| is the relevance of the pixels, summed over colours, for the word's logit; of the regions where a
    batch holds regions instead of pixels. All words of a batch are explained from one forward, `lrp.chunk` words of
    each image in one backward.

    Args:
        lrp: the rules.
    """

    def __init__(self, lrp: LRP):
        self.lrp = lrp
        self._logged = False

    def __call__(self, captioner: Captioner, explained: ExplainedWords) -> tuple[Tensor, Logs]:
        """Gives p̂ (M, V) of the explained words, and scalars to log.

        `negative_raised` is the share of words whose logit is negative and, multiplied by m < 1, rises.
        """
        if explained.batch.images is None and not self._logged:
            self._logged = True
            log.info("the batch has no pixels: E_t is over regions (data.cache_features=false explains the pixels)")
        factors = self.factors(captioner, explained)
        precise = torch.promote_types(explained.logits.dtype, factors.dtype)  # 1 + mean(E_t) is near 1
        logits, words = explained.logits[explained.rows].to(precise), explained.words[:, None]
        own = logits.gather(1, words)
        raised = ((own[:, 0] < 0) & (factors < 1)).float()
        number = max(len(factors), 1)
        logs = {"relevance": (factors - 1).sum() / number, "negative_raised": raised.sum() / number}
        return logits.scatter(1, words, own * factors[:, None].to(precise)), logs

    def factors(self, captioner: Captioner, explained: ExplainedWords) -> Tensor:
        """Gives 1 + mean(E_t) (M,); 1 where no relevance reached the image, or none that is finite."""
        if len(explained.words) == 0:
            return explained.logits.new_ones(0)
        images, rank = _ranks(explained)
        with explaining(captioner, explained.words.device):
            leaf, mask, outputs, seeds = self._forward(captioner, explained)
            means, number = [], int(rank.max()) + 1
            for first in range(0, number, self.lrp.chunk):
                chosen = torch.arange(first, min(first + self.lrp.chunk, number), device=rank.device)
                alone = torch.zeros(len(chosen), *explained.places.shape, device=rank.device, dtype=seeds.dtype)
                alone[:, *explained.rows] = (rank == chosen[:, None]).to(seeds)
                (gradient,) = batched_gradient(outputs, [leaf], alone[..., None] * seeds)
                means.append(_mean(gradient if leaf.ndim == 4 else gradient * leaf.detach(), mask, leaf.ndim == 4))
        return 1 + torch.cat(means)[rank, images]

    def _forward(self, captioner: Captioner, explained: ExplainedWords) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Runs one forward under the rules.

        Returns:
            Pixels or regions as a leaf; the mask of regions, or None; outputs (N, T, H); and the gradient (N, T, H) of
            the explained logits, which one pass gives since the vocabulary layer sees each word by itself.
        """
        images, regions, mask, _ = self.lrp.encode(captioner, explained.batch)
        with lrp(self.lrp.epsilon):
            features = captioner.project(regions, mask)
            outputs = captioner.read(captioner.embed(explained.inputs).detach(), features).output
            logits = captioner.head(outputs[explained.rows]).gather(1, explained.words[:, None])
        (seeds,) = torch.autograd.grad(logits.sum(), outputs, retain_graph=True)
        return (regions if images is None else images), mask, outputs, seeds


def _ranks(explained: ExplainedWords) -> tuple[Tensor, Tensor]:
    """Gives each explained word's image (M,), and how many words of that image are explained before it (M,)."""
    images = len(explained.batch)
    per_image = explained.places.view(images, -1)
    rank = (per_image.long().cumsum(1) - 1)[per_image]
    return explained.rows[0] // (len(explained.places) // images), rank


def _mean(relevance: Tensor, mask: Tensor | None, pixels: bool) -> Tensor:
    """Gives mean(R / max|R|) (n, B) over pixels (n, B, C, height, width), or over real regions (n, B, R, D)."""
    places = relevance.sum(2).flatten(2) if pixels else relevance.sum(3)
    largest = places.abs().amax(2)
    number = places.shape[2] if mask is None or pixels else mask.sum(1).clamp(min=1)
    usable = (largest > 0) & largest.isfinite()
    return torch.where(usable, places.sum(2) / number / torch.where(usable, largest, 1.0), 0.0)
