"""LRP-inference: training with explanations so that words look at the image (Eq. 10–12 of Sun et al. 2020).

B images, K captions of each, N = B·K rows, T words, M explained words, V vocabulary.
"""

from typing import Literal, Protocol

from torch import Tensor
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.step_linear import gathered
from whysaid.objectives.content_words import content_words
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.explained_words import ExplainedWords
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import CaptionObjective, Logs


class Relevance(Protocol):
    """Changes the logits of explained words."""

    def __call__(self, captioner: Captioner, explained: ExplainedWords) -> tuple[Tensor, Logs]:
        """Gives p̂ (M, V) of the explained words, and scalars to log."""
        ...


class LRPInference(CaptionObjective):
    """L = λ CE(p) + (1 − λ) CE(p̂) (Eq. 12); where a stop word is explained p̂ = p.

    Args:
        relevance: makes p̂ of p.
        weight: λ, in [0, 1]; paper: 0.5. 1 is cross-entropy, to the bit.
        explain: the `argmax` of p under teacher forcing, as published, or the `target`.
        label_smoothing: share of the target spread over the vocabulary, in [0, 1).

    Raises:
        UserError: a weight outside of [0, 1], or another word to explain.
    """

    _content: Tensor  # (V,) bool, the words that are explained

    def __init__(
        self,
        relevance: Relevance,
        weight: float = 0.5,
        explain: Literal["argmax", "target"] = "argmax",
        label_smoothing: float = 0.0,
    ):
        if not 0 <= weight <= 1:
            raise UserError(f"objective.weight is {weight}: set λ of Eq. 12 to between 0 and 1")
        if explain not in ("argmax", "target"):
            raise UserError(f"objective.explain is {explain!r}: set it to argmax or target")
        self.relevance, self.weight, self.explain = relevance, weight, explain
        self.plain = CrossEntropy(label_smoothing)

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Takes the vocabulary."""
        self._content = content_words(data.vocabulary)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs cross-entropy of p and of p̂, and the share of words that were explained."""
        if self.weight == 1:
            return self.plain(captioner, batch, step)
        captions = batch.captions.flatten(0, 1)
        explained, targets = self._explain(captioner, batch, captions[:, :-1], captions[:, 1:])
        plain = self._losses(explained.logits.flatten(0, 1), targets.flatten()).view_as(targets)
        changed, logs = self.relevance(captioner, explained)
        change = (self._losses(changed, targets[explained.rows]) - plain[explained.rows]).sum()
        words = (targets != PAD).sum().clamp(min=1)
        loss, difference = plain.sum() / words, change / words
        logs = {
            "loss": loss.detach(),
            "loss_reweighted": (loss + difference).detach(),
            "explained": len(explained.words) / words,
            **logs,
        }
        return joint(loss + (1 - self.weight) * difference, words), logs

    def _explain(
        self, captioner: Captioner, batch: CaptionBatch, inputs: Tensor, targets: Tensor
    ) -> tuple[ExplainedWords, Tensor]:
        """Runs one teacher-forced forward, and chooses which of its words are explained: none after `<end>`."""
        features = captioner.features(batch)
        with gathered(captioner):
            reading = captioner.read(captioner.embed(inputs), features)
        logits = captioner.head(reading.output)
        words = targets if self.explain == "target" else logits.detach().argmax(-1)
        places = self._content.to(words.device)[words] & (targets != PAD)
        rows = places.nonzero(as_tuple=True)
        return ExplainedWords(batch, inputs, reading, logits, places, words[rows], (rows[0], rows[1])), targets

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, targets, ignore_index=PAD, label_smoothing=self.plain.label_smoothing, reduction="none"
        )
