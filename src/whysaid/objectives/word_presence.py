"""Which words an image's captions hold: what an encoder that starts from nothing had better learn first.

B batch, R regions, D encoder features, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import SPECIALS
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.objectives.cross_entropy import CrossEntropy, Logs


class WordsFirst(nn.Module):
    """Word presence for the first steps, another objective from then on.

    Presence is predicted from the mean region by a linear layer (visual word detectors: Fang et al. 2015, without
    their boxes). Without it a captioner trained end to end learns the language first and its encoder only through a
    language model that has already done without it.

    Args:
        steps: optimiser steps of word presence.
        then: the objective of all later steps.
    """

    def __init__(self, steps: int, then: CrossEntropy):
        super().__init__()
        self.steps, self.then = steps, then
        self.detector: nn.Linear | None = None

    def attach(self, captioner: Captioner) -> None:
        """Makes the detector for this captioner's encoder and vocabulary."""
        self.detector = nn.Linear(captioner.encoder.dim, captioner.embedding.num_embeddings)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """The loss () of a batch at an optimiser step, and what to log of it."""
        if step >= self.steps:
            return self.then(captioner, batch, step)
        assert self.detector is not None, "call attach() with the captioner first"
        if batch.images is None:
            raise UserError("word presence is learned by the encoder: set task.tune_encoder=true, or objective=xe")
        scores = self.detector(captioner.encoder(batch.images).values.mean(1))
        loss = presence_loss(scores, batch.captions)
        return loss, {"word_presence": loss.detach()}


def presence_loss(scores: Tensor, captions: Tensor) -> Tensor:
    """Binary cross-entropy of all words per word present, the scale of a caption's cross-entropy.

    Adam's step is scaled by past gradients: a loss of another scale would slow or shake the objective that follows.

    Args:
        scores: (B, V) logits. captions: (B, K, T) int64.
    """
    present = torch.zeros_like(scores).scatter_(1, captions.flatten(1), 1.0)
    real = slice(len(SPECIALS), None)
    loss = F.binary_cross_entropy_with_logits(scores[:, real], present[:, real], reduction="sum")
    return loss / present[:, real].sum().clamp(min=1)
