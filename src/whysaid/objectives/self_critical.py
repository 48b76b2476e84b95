"""Training on rewards of sampled captions: SCST (Rennie et al. 2017) and its leave-one-out form.

B images, n samples of each, N = B·n rows, T words, V vocabulary.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.sampling import Multinomial
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.objectives.content_words import content_words
from whysaid.objectives.context_relevance import ContextRelevance
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.draws import draw
from whysaid.objectives.objective import CaptionObjective, Logs
from whysaid.objectives.rewards import Rewards, RewardTerm


class SelfCritical(CaptionObjective):
    """L = −mean (r(w) − b) log p(w) / max_length over samples w, whose gradient is that of −E[r] / max_length.

    Divided by a constant, it is of the scale of a mean over words, and its expectation stays exact.

    Args:
        rewards: name → {weight, score}.
        baseline: b, `greedy`: reward of the most probable caption (SCST); `leave_one_out`: mean reward of the image's
            other samples (NSC).
        samples: n, captions drawn of each image.
        max_length: tokens of a sample at most, `<end>` included.
        dropout: on while sampling; the vocabulary layer then draws one mask to sample and another to reinforce, which
            are the same distribution only on average. Off, what is reinforced is what was sampled.
        temperature: T > 0 of the policy softmax(logits / T) that is sampled and reinforced. Published: 1. A captioner
            trained with label smoothing spreads its mass, and what it draws at 1 is far from what it writes greedily.
        relevance: sample from, and reinforce, p̂ instead of p; the greedy baseline stays on p (`lrp_scst`).
        xe_share: s in [0, 1), L becomes (1 − s) L + s · cross-entropy of the batch's captions, with dropout.
        label_smoothing: of that cross-entropy, in [0, 1).

    Raises:
        UserError: one of these is outside of its range, or every reward has weight 0.
    """

    _content: Tensor  # (V,) bool, the words that `relevance` explains

    def __init__(
        self,
        rewards: Mapping[str, RewardTerm],
        baseline: Literal["greedy", "leave_one_out"] = "leave_one_out",
        samples: int = 5,
        max_length: int = 20,
        dropout: bool = False,
        temperature: float = 1.0,
        relevance: ContextRelevance | None = None,
        xe_share: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        if baseline not in ("greedy", "leave_one_out"):
            raise UserError(f"objective.baseline is {baseline!r}: set it to greedy or leave_one_out")
        if baseline == "leave_one_out" and samples < 2:
            raise UserError(f"objective.samples is {samples}: leave_one_out compares at least 2 samples of an image")
        if not 0 <= xe_share < 1:
            raise UserError(f"objective.xe_share is {xe_share}: set it to at least 0 and below 1")
        if temperature <= 0:
            raise UserError(f"objective.temperature is {temperature}: set it above 0")
        self.rewards, self.baseline, self.dropout, self.relevance = Rewards(rewards), baseline, dropout, relevance
        self.temperature = temperature
        self.sampler, self.greedy = Multinomial(samples=samples, max_length=max_length), Greedy(max_length)
        self.xe_share, self.cross_entropy = xe_share, CrossEntropy(label_smoothing)

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Takes references, vocabulary and document frequencies of the training split."""
        self.rewards.prepare(data)
        self._content = content_words(data.vocabulary)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs rewards, advantages and what samples are like."""
        with dropping(captioner, self.dropout):
            features = captioner.features(batch)
            tokens, log_p = draw(captioner, features, partial(self._logits, captioner), self.sampler)
            rewarded = self.rewards(batch.image_ids, tokens)
            baseline = self._baseline(captioner, features, batch, rewarded.total)
        advantage = rewarded.total - baseline
        loss = -(torch.from_numpy(advantage).to(log_p) * log_p).mean() / self.sampler.max_length
        numbers = {
            "reward": rewarded.total.mean(),
            "reward_std": rewarded.total.std(),
            "baseline": baseline.mean(),
            "advantage_std": advantage.std(),
            "advantage_positive": (advantage > 0).mean(),
            **{f"reward_{name}": value for name, value in rewarded.terms.items()},
        }
        logs = {name: torch.tensor(float(number)) for name, number in numbers.items()}
        logs |= self.rewards.statistics(tokens)
        if self.xe_share:
            plain, _ = self.cross_entropy(captioner, batch, step)
            logs["cross_entropy"] = plain.detach()
            loss = (1 - self.xe_share) * loss + self.xe_share * plain
        return loss, {"loss": loss.detach(), **logs}

    def _baseline(
        self, captioner: Captioner, features: Any, batch: CaptionBatch, rewards: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Gives what each sample's reward is compared with, (B, n) or (B, 1), independent of that sample."""
        if self.baseline == "greedy":
            with dropping(captioner, False):
                tokens = self.greedy(captioner, features).tokens
            return self.rewards(batch.image_ids, tokens).total
        return leave_one_out(rewards)

    def _logits(self, captioner: Captioner, output: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        """Gives the logits that are sampled from: of p, or of p̂ of an explanation, at the temperature."""
        if self.relevance is None:
            return captioner.head(output) / self.temperature
        return self.relevance.logits(captioner, output, parts, self._content) / self.temperature


def leave_one_out(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives for each of the rewards (B, n) the mean of the image's n − 1 others, (B, n)."""
    return (rewards.sum(1, keepdims=True) - rewards) / (rewards.shape[1] - 1)


@contextmanager
def dropping(model: nn.Module, on: bool) -> Iterator[None]:
    """Turns dropout on or off within it, whatever mode the model is in; nothing else changes."""
    modes = [(module, module.training) for module in model.modules() if isinstance(module, nn.Dropout)]
    for module, _ in modes:
        module.training = on
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
