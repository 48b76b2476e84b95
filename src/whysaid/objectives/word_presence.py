"""Which words an image's captions hold: what an encoder that starts from nothing had better learn first.

B batch, R regions, D encoder features, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import SPECIALS
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.objectives.objective import CaptionObjective, Logs


class WordsFirst(nn.Module, CaptionObjective):
    """Word presence for the first steps, another objective from then on.

    Presence is predicted from the mean region by a linear layer (visual word detectors: Fang et al. 2015, without
    their boxes). Without it a captioner trained end to end learns the language first and its encoder only through a
    language model that has already done without it.

    Args:
        steps: optimiser steps of word presence.
        then: the objective of all later steps, without parameters of its own.

    Attributes:
        detector: mean region (B, D) → logits (B, V) of the presence of each word; made for a captioner.
    """

    detector: nn.Linear

    def __init__(self, steps: int, then: CaptionObjective):
        super().__init__()
        self.steps, self.then = steps, then

    def make_parameters(self, captioner: Captioner) -> None:
        """Makes the detector for this captioner's encoder and vocabulary."""
        self.detector = nn.Linear(captioner.encoder.dim, captioner.embedding.num_embeddings)

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        self.then.prepare(captioner, data)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says. Raises UserError where a batch holds features in place of images."""
        if step >= self.steps:
            return self.then(captioner, batch, step)
        if batch.images is None:
            raise UserError("word presence is learned by the encoder: set task.tune_encoder=true, or objective=xe")
        scores = self.detector(captioner.encoder(batch.images).values.mean(1))
        loss = presence_loss(scores, batch.captions)
        return loss, {"word_presence": loss.detach()}


def presence_loss(scores: Tensor, captions: Tensor) -> Tensor:
    """Binary cross-entropy of all words per word present (), in nats, the scale of a caption's cross-entropy.

    Adam's step is scaled by past gradients: a loss of another scale would slow or shake the objective that follows.

    Args:
        scores: (B, V) logits.
        captions: (B, K, T) int64.
    """
    present = torch.zeros_like(scores).scatter_(1, captions.flatten(1), 1.0)
    real = slice(len(SPECIALS), None)
    loss = F.binary_cross_entropy_with_logits(scores[:, real], present[:, real], reduction="sum")
    return loss / present[:, real].sum().clamp(min=1)
