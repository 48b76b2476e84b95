"""Teacher-forced cross-entropy, with label smoothing, scheduled sampling and doubly stochastic attention.

B batch, K captions per image, N = B·K rows, T words, V vocabulary, R regions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import PAD
from whysaid.models.captioner import Captioner
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import CaptionObjective, Logs


@dataclass
class ScheduledSampling:
    """Probability of feeding the model's own word (Bengio et al. 2015): a staircase over training steps.

    Attributes:
        start: optimiser steps with probability 0.
        every: optimiser steps of each stair from then on.
        increase: of the probability by each stair, the first included.
        maximum: of the probability, in [0, 1].
    """

    start: int
    every: int
    increase: float = 0.05
    maximum: float = 0.25

    def __call__(self, step: int) -> float:
        """Gives the probability, in [0, maximum], at an optimiser step."""
        return 0.0 if step < self.start else min(self.maximum, self.increase * (1 + (step - self.start) // self.every))


@dataclass
class CrossEntropy(CaptionObjective):
    """Mean negative log-likelihood of the reference words.

    Attributes:
        label_smoothing: share of the target spread over the vocabulary, in [0, 1).
        scheduled_sampling: probability of own words by step, or None.
        doubly_stochastic: weight of mean_i (1 − Σ_t α_ti)² (Xu et al. 2015, Eq. 14); 1 in the paper, 0 is off.
    """

    label_smoothing: float = 0.0
    scheduled_sampling: ScheduledSampling | None = None
    doubly_stochastic: float = 0.0

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        captions = batch.captions.flatten(0, 1)
        inputs, targets = captions[:, :-1], captions[:, 1:]
        sampling = self.scheduled_sampling(step) if self.scheduled_sampling else 0.0
        unrolled = captioner.unroll(inputs, captioner.features(batch), sampling)
        loss = F.cross_entropy(
            unrolled.logits.flatten(0, 1),
            targets.flatten(),
            ignore_index=PAD,
            label_smoothing=self.label_smoothing,
        )
        logs = {"loss": loss.detach()}
        if self.doubly_stochastic:
            coverage = _coverage_loss(unrolled.attention, targets, batch.mask)
            logs["doubly_stochastic"] = coverage.detach()
            loss = loss + self.doubly_stochastic * coverage
        return joint(loss, (targets != PAD).sum()), logs


def _coverage_loss(attention: Tensor, targets: Tensor, mask: Tensor | None) -> Tensor:
    """mean (1 − Σ_t α_ti)² over real regions and real captions: attention (N, T, R), targets (N, T), mask (B, R)."""
    real = (targets != PAD).to(attention)
    missing = (1 - (attention * real.unsqueeze(2)).sum(1)).square()
    weights = real.amax(1, keepdim=True).expand_as(missing)
    if mask is not None:
        weights = weights * mask.repeat_interleave(len(targets) // len(mask), 0)
    return (missing * weights).sum() / torch.clamp(weights.sum(), min=1)
