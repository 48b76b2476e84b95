"""Training on what is not there: an object is taken out of a picture, and its name must become unlikely.

B images, K captions of each, N = B·K rows, M changed pictures, T words, P places where what was taken out is named,
C categories, V vocabulary.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch, Pictures
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.objectives.joint import joint
from whysaid.objectives.object_vocabulary import object_vocabulary
from whysaid.objectives.objective import CaptionObjective, Logs


class Counterfactual(CaptionObjective):
    """Cross-entropy of the pictures as they are, and of pictures without an object the probability of its name.

    At the first word of a reference caption that names what was taken out, −log(1 − Σ p(words of that object | picture
    without it, words before)), with weight λ. Captions of a changed picture that do not name it, and all captions of a
    picture with a fill where no object was, stay true: their cross-entropy counts with weight μ.

    Args:
        absence: λ ≥ 0.
        kept: μ ≥ 0.
        label_smoothing: of both cross-entropies, in [0, 1).

    Raises:
        UserError: a weight below 0.
    """

    _names: Tensor  # (C, V) bool, the words that begin to name each category

    def __init__(self, absence: float = 1.5, kept: float = 0.25, label_smoothing: float = 0.0):
        if absence < 0 or kept < 0:
            raise UserError(f"objective.absence and objective.kept are weights of at least 0, not {absence} and {kept}")
        self.absence, self.kept, self.label_smoothing = absence, kept, label_smoothing

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Takes the table of object words. Raises UserError: the data take nothing out of their pictures."""
        if data.object_words is None or data.changes is None:
            raise UserError(
                "objective=counterfactual trains on pictures without an object, and nothing is taken out of these: "
                "leave data.removal to conf/finetune/counterfactual.yaml"
            )
        self._names = object_vocabulary(data.object_words, data.vocabulary)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs every term, and the mean probability of naming what was taken out."""
        captions, images = batch.captions, len(batch)
        changed = batch.changed
        pictures = Pictures(batch.images, batch.regions, batch.mask)
        if changed is not None:
            captions = torch.cat([captions, captions[changed.rows]])
            pictures = pictures.joined(changed.pictures)
        targets = captions[..., 1:]
        unrolled = captioner.unroll(captions.flatten(0, 1)[:, :-1], captioner.features(pictures))
        logits = unrolled.logits.view(*targets.shape, -1)
        loss, plain = self._cross_entropy(logits[:images], targets[:images])
        logs: Logs = {"loss": plain}
        if changed is None:
            return loss, logs
        logits, targets = logits[images:], targets[images:]
        named = changed.places >= 0
        kept, logs["loss_kept"] = self._cross_entropy(logits, targets.masked_fill(named[..., None], PAD))
        absence, logs["named_absent"] = self._absence(logits, changed.categories, changed.places)
        logs["loss_absence"] = absence.detach()
        return loss + self.kept * kept + self.absence * joint(absence, named.sum()), logs

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the mean over words of logits (…, T, V) and targets (…, T), for the loss and to log; 0 over none."""
        words = (targets != PAD).sum()
        total = F.cross_entropy(
            logits.flatten(0, -2),
            targets.flatten(),
            ignore_index=PAD,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        mean = total / words.clamp(min=1)
        return joint(mean, words), mean.detach()

    def _absence(self, logits: Tensor, categories: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the mean over P places of −log(1 − Σ p), which is exact however near 1 Σ p is, and the mean of Σ p.

        Args:
            logits: (M, K, T, V).
            categories: (M,), −1 where nothing was taken out.
            places: (M, K), −1 where it is not named.
        """
        pictures, captions = (places >= 0).nonzero(as_tuple=True)
        at = logits[pictures, captions, places[pictures, captions]].float()
        names = self._names.to(at.device)[categories[pictures]]
        others = at.masked_fill(names, -torch.inf).logsumexp(-1)
        terms = at.logsumexp(-1) - others
        number = max(len(terms), 1)
        return terms.sum() / number, -torch.expm1(-terms.detach()).sum() / number
