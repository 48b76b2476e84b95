"""Several captioners as one: the mean of their probabilities at every word.

B batch, N rows, image-major, R_m regions of member m, M members, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, cast

import torch
from torch import Tensor, nn

from whysaid.data.batch import Pictured
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner, State, Step


@dataclass
class EnsembleFeatures:
    """The features of the same B images from every member."""

    members: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.members[0])


class Ensemble(nn.Module):
    """Encodes, starts and steps like a captioner, so every decoding takes it.

    Args:
        captioners: of any architecture and encoder, with one preprocessing.
        vocabularies: one per captioner, all the same.

    Raises:
        UserError: no captioners, or their vocabularies or preprocessings differ.
    """

    def __init__(self, captioners: Sequence[Captioner], vocabularies: Sequence[Vocabulary]):
        super().__init__()
        if not captioners or len(captioners) != len(vocabularies):
            raise UserError("an ensemble needs at least one captioner, and one vocabulary for each")
        for number, (captioner, vocabulary) in enumerate(zip(captioners, vocabularies, strict=True), 1):
            if vocabulary.words != vocabularies[0].words:
                raise UserError(f"captioner {number} has another vocabulary than the first: train both on the same")
            if captioner.encoder.preprocessing != captioners[0].encoder.preprocessing:
                raise UserError(f"captioner {number} has another preprocessing than the first: give their encoders one")
        self.captioners = cast(Sequence[Captioner], nn.ModuleList(captioners))

    def featured(self, make: Callable[[Captioner], Any]) -> EnsembleFeatures:
        """What `make` gives of every member."""
        return EnsembleFeatures(tuple(make(captioner) for captioner in self.captioners))

    def encode(self, images: Tensor) -> EnsembleFeatures:
        """Images (B, 3, H, W) → features of every member."""
        return self.featured(lambda captioner: captioner.encode(images))

    def features(self, batch: Pictured) -> EnsembleFeatures:
        """Features of a batch from every member; encoder features in it must come from an encoder that all share."""
        return self.featured(lambda captioner: captioner.features(batch))

    def start(self, features: EnsembleFeatures) -> State:
        """The members' states, each a part of this one."""
        return tuple(c.start(f) for c, f in zip(self.captioners, features.members, strict=True))

    def step(self, tokens: Tensor, state: State, features: EnsembleFeatures) -> Step:
        """Takes one word further: tokens (N,) int64.

        logits (N, V) are log mean probabilities. attention (N, R_1 + … + R_M) has the members side by side, each
        divided by M; with the mean sentinel, 0 for a member without one, it sums to 1.
        """
        members = zip(self.captioners, state, features.members, strict=True)
        steps = [captioner.step(tokens, kept, own) for captioner, kept, own in members]
        number = len(steps)
        log_p = torch.stack([step.logits.log_softmax(-1) for step in steps])
        attention = torch.cat([step.attention for step in steps], -1) / number
        sentinels = [step.sentinel for step in steps if step.sentinel is not None]
        sentinel = torch.stack(sentinels).sum(0) / number if sentinels else None
        return Step(log_p.logsumexp(0) - log(number), attention, sentinel, tuple(step.state for step in steps))
