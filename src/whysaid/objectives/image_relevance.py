"""Logits reweighted by the relevance of the image: LRP-inference of Sun et al. 2020, and what tells more.

B images, K captions of each, N = B·K rows, T words, M explained words, J most explained words of an image, R regions,
H width of an output, V vocabulary.
"""

import logging
from typing import Literal

import torch
from torch import Tensor

from whysaid.attribution.backward import batched_gradient
from whysaid.attribution.explaining import explaining
from whysaid.attribution.lrp.lrp import LRP
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
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
                relevance = gradient if leaf.ndim == 4 else gradient * leaf.detach()
                means.append(self.reduced(*_places(relevance, mask, leaf.ndim == 4)))
        return self.weights(torch.cat(means)[rank, images])

    def reduced(self, places: Tensor, number: Tensor | int) -> Tensor:
        """Gives one number for each map: mean(R / max|R|), 0 where that is not finite.

        Args:
            places: (n, B, P) relevance of the pixels, or of the regions, 0 where these are not real.
            number: of real places, for all images or of each (B,).
        """
        largest = places.abs().amax(2)
        usable = (largest > 0) & largest.isfinite()
        return torch.where(usable, places.sum(2) / number / torch.where(usable, largest, 1.0), 0.0)

    def weights(self, reduced: Tensor) -> Tensor:
        """Gives m (M,) of what `reduced` gave of each word."""
        return 1 + reduced

    def _forward(self, captioner: Captioner, explained: ExplainedWords) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Runs one forward under the rules.

        Returns:
            Pixels or regions as a leaf; the mask of regions, or None; outputs (N, T, H); and the gradient (N, T, H) of
            the explained logits, which one pass gives since the vocabulary layer sees each word by itself.
        """
        images, regions, mask, _ = self.lrp.encode(captioner, explained.batch)
        with self.lrp.behind(captioner):
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


def _places(relevance: Tensor, mask: Tensor | None, pixels: bool) -> tuple[Tensor, Tensor | int]:
    """Gives the relevance (n, B, P) of places, and how many are real, of pixels (n, B, C, height, width) summed over
    colours, or of regions (n, B, R, D)."""
    places = relevance.sum(2).flatten(2) if pixels else relevance.sum(3)
    return places, places.shape[2] if mask is None or pixels else mask.sum(1).clamp(min=1)


class RawRelevance(ImageRelevance):
    """m = 1 + s z, limited to [0, 2], with z the word's raw relevance, standardised over the words of the batch.

    Eq. 11 divides each map by its own maximum, and what is left hardly tells a word that the picture supports from one
    that it does not. Here words are compared with each other by the size of their relevance, in the units of a logit.

    Args:
        lrp: the rules.
        by: the `max` over pixels, or regions, or the `mean` over them.
        strength: s ≥ 0.

    Raises:
        UserError: another measure, or a strength below 0.
    """

    def __init__(self, lrp: LRP, by: Literal["max", "mean"] = "max", strength: float = 0.1):
        super().__init__(lrp)
        if by not in ("max", "mean") or strength < 0:
            raise UserError(
                f"objective.relevance.by is {by} and objective.relevance.strength {strength}: set them to max or mean, "
                "and to at least 0"
            )
        self.by, self.strength = by, strength

    def reduced(self, places: Tensor, number: Tensor | int) -> Tensor:
        """Gives the largest relevance of each map, or the mean; 0 where it is not finite."""
        value = places.amax(2) if self.by == "max" else places.sum(2) / number
        return torch.where(value.isfinite(), value, 0.0)

    def weights(self, reduced: Tensor) -> Tensor:
        """Gives m (M,); 1 for all words where there are fewer than two, or all are alike."""
        spread = reduced.std(correction=0) if len(reduced) else reduced.sum()
        standard = torch.where(spread > 0, (reduced - reduced.mean()) / spread.clamp(min=1e-12), 0.0)
        return (1 + self.strength * standard).clamp(0, 2)
