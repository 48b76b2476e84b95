"""Label augmentation (Biten et al. 2022): what a captioner is told to be in the picture, it says.

B images, K captions of each, T words, C categories, V vocabulary.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.labelled import Labelled
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import CaptionObjective, Logs
from whysaid.objectives.preferred import Judge
from whysaid.objectives.swaps import Swaps


class LabelAugmentation(CaptionObjective):
    """Cross-entropy of captions, given pictures and the labels of the objects in them; of a share of the pictures one
    object is another in labels and captions alike, so that the captioner must trust the labels, and not its habit.

    Labels are those of the truth in training. In every other use they are what a linear detector on the encoder's own
    regions finds, which is trained beside.

    Args:
        truth: says which words are objects, and what is in a picture.
        swapped: share of the pictures in which an object is swapped, in [0, 1].
        rare: draw the new object by how seldom it comes with the others, rather than evenly.
        detection: weight of the detector's binary cross-entropy, above 0.
        label_smoothing: of the captions' cross-entropy, in [0, 1).

    Raises:
        UserError: a setting is outside of its range.
    """

    _judge: Judge
    _swaps: Swaps
    _encoder: Labelled

    def __init__(
        self,
        truth: Hallucination,
        swapped: float = 0.5,
        rare: bool = True,
        detection: float = 1.0,
        label_smoothing: float = 0.0,
    ):
        if not 0 <= swapped <= 1 or detection <= 0:
            raise UserError(
                f"objective.swapped is {swapped} and objective.detection {detection}: set them to between 0 and 1, and "
                "above 0"
            )
        self.truth, self.swapped, self.rare, self.detection = truth, swapped, rare, detection
        self.label_smoothing = label_smoothing

    def make_parameters(self, captioner: Captioner) -> None:
        """Takes the encoder that labels are joined to. Raises UserError: none are."""
        if not isinstance(captioner.encoder, Labelled):
            raise UserError("objective=labels joins labels to what the encoder sees: leave labels.threshold as it is")
        self._encoder = captioner.encoder

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the detector and of the labels' vectors; where the encoder is tuned, they are among its own."""
        tuned = any(parameter.requires_grad for parameter in self._encoder.encoder.parameters())
        return [] if tuned else self._own()

    def _own(self) -> list[nn.Parameter]:
        return [*self._encoder.detector.parameters(), *self._encoder.vectors.parameters()]

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Takes the truth of the training pictures, and what comes with what in them."""
        words = self.truth.object_words
        self._judge = Judge(self.truth, data)
        present = [self._judge.present(image.id) for image in data.images("train")]
        self._swaps = Swaps(words, data.vocabulary, [objects for objects in present if objects], self.rare)
        for parameter in self._own():
            parameter.requires_grad_(True)

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs both losses, the detector's share of right labels, and how many were swapped."""
        if batch.images is None:
            raise UserError("objective=labels joins labels to what the encoder sees: set data.cache_features=false")
        seen = self._encoder.encoder(batch.images)
        scores = self._encoder.scores(seen)
        labels, known = self._labels(batch.image_ids.tolist(), scores)
        detected = F.binary_cross_entropy_with_logits(scores, labels.float(), known.expand_as(labels).float())
        right = ((scores > 0) == labels)[known[:, 0]].float().mean()
        captions, labels, swapped = self._swap(batch.captions, labels, known)
        rows = captions.flatten(0, 1)
        targets = rows[:, 1:]
        features = captioner.project(*self._encoder.joined(seen, labels))
        logits = captioner.unroll(rows[:, :-1], features).logits
        loss = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=PAD, label_smoothing=self.label_smoothing
        )
        logs = {"loss": loss.detach(), "detection": detected.detach(), "detected": right, "swapped": swapped}
        return joint(loss, (targets != PAD).sum()) + self.detection * detected, logs

    def _labels(self, ids: list[int], scores: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the true labels (B, C) bool, and whether they are known (B, 1); where not, they are the detector's."""
        labels = scores.detach() > 0
        known = torch.zeros(len(ids), 1, dtype=torch.bool, device=scores.device)
        for row, image_id in enumerate(ids):
            present = self._judge.present(image_id)
            if present is not None:
                labels[row] = torch.tensor([category in present for category in self._judge.categories])
                known[row] = True
        return labels, known

    def _swap(self, captions: Tensor, labels: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gives captions (B, K, T) and labels (B, C) with an object swapped in some images, and the share of these."""
        captions, labels, swapped = captions.clone(), labels.clone(), 0
        for row in range(len(captions)):
            if known[row] and torch.rand(()) < self.swapped:
                changed = self._swaps(captions[row].cpu().numpy(), labels[row].cpu().numpy())
                if changed is not None:
                    captions[row], labels[row] = (torch.from_numpy(part).to(labels.device) for part in changed)
                    swapped += 1
        return captions, labels, torch.tensor(swapped / len(captions))
