"""Direct preference optimisation against hallucination: CHAIR-DPO (2025), with the captioner's own samples.

B images, n samples of each, P pairs, T words, V vocabulary.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.functional import pad

from whysaid.checkpoint import fit_weights, read_checkpoint
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import PAD, START, Vocabulary
from whysaid.decoding.sampling import Multinomial
from whysaid.decoding.shrink import keep_images
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination
from whysaid.models.captioner import Captioner
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import CaptionObjective, Logs
from whysaid.objectives.preferred import Judge, preferred
from whysaid.objectives.self_critical import dropping


class DPO(CaptionObjective):
    """L = −log σ(β [log π/π_ref (better) − log π/π_ref (worse)]) over pairs of a picture's own samples.

    The better one names fewer objects that are not there, and no fewer that are; pictures without such a pair say
    nothing.

    Args:
        truth: says which words are objects, and what is in a picture.
        reference: path of the checkpoint whose captioner is π_ref.
        beta: β > 0, the less, the further π may go from π_ref; CHAIR-DPO and Rafailov et al. 2023: 0.1.
        samples: n ≥ 2, captions drawn of each image.
        temperature: of the draws, above 0.
        max_length: tokens of a sample at most, `<end>` included.
        xe: weight of the cross-entropy of the batch's captions beside it, at least 0.
        label_smoothing: of that cross-entropy, in [0, 1).

    Raises:
        UserError: a setting is outside of its range.
    """

    _judge: Judge
    _vocabulary: Vocabulary
    _reference: Captioner

    def __init__(
        self,
        truth: Hallucination,
        reference: str,
        beta: float = 0.1,
        samples: int = 5,
        temperature: float = 1.0,
        max_length: int = 20,
        xe: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        if beta <= 0 or samples < 2 or xe < 0:
            raise UserError(
                f"objective.beta is {beta}, objective.samples {samples} and objective.xe {xe}: set them above 0, to at "
                "least 2, and to at least 0"
            )
        self.truth, self.reference, self.beta, self.xe = truth, reference, beta, xe
        self.sampler = Multinomial(samples=samples, temperature=temperature, max_length=max_length)
        self.cross_entropy = CrossEntropy(label_smoothing)

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Takes references and vocabulary, and loads π_ref, which shares an encoder that is frozen."""
        self._judge, self._vocabulary = Judge(self.truth, data), data.vocabulary
        frozen = not any(parameter.requires_grad for parameter in captioner.encoder.parameters())
        shared = {id(captioner.encoder): captioner.encoder} if frozen else {}
        self._reference = deepcopy(captioner, shared)
        fit_weights(self._reference, read_checkpoint(self.reference))
        self._reference.__dict__.pop("advance", None)  # what was compiled is the captioner's own
        self._reference.requires_grad_(False).eval()

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs the share of images with a pair, how often π agrees, and what samples are like."""
        self._reference.to(batch.image_ids.device)
        with dropping(captioner, False):
            features = captioner.features(batch)
            tokens = self.sampler(captioner, features).tokens
            images, pairs, logs = self._pairs(batch.image_ids.tolist(), tokens)
            if len(images):
                log_p = _log_probs(captioner, keep_images(features, images), pairs)
                with torch.no_grad():
                    log_p_ref = _log_probs(self._reference, keep_images(self._reference.features(batch), images), pairs)
                better, worse = (log_p - log_p_ref).unbind(1)
                margins = self.beta * (better - worse)
                loss = -F.logsigmoid(margins).mean()
                logs["agrees"] = (margins.detach() > 0).float().mean()
            else:
                loss = 0 * next(p for p in captioner.parameters() if p.requires_grad).sum()
        logs["loss"] = loss.detach()
        total = joint(loss, torch.tensor(len(images), device=loss.device))
        if self.xe:
            plain, plain_logs = self.cross_entropy(captioner, batch, step)
            total, logs["cross_entropy"] = total + self.xe * plain, plain_logs["loss"]
        return total, logs

    def _pairs(self, ids: list[int], tokens: Tensor) -> tuple[Tensor, Tensor, Logs]:
        """Gives the P images (P,) that have a pair, the better and the worse of their samples (P, 2, T), and logs."""
        images, chosen, hallucinated, judged_captions = [], [], 0, 0
        for row, (image_id, own) in enumerate(zip(ids, tokens.tolist(), strict=True)):
            judged = self._judge(image_id, [self._vocabulary.decode(caption) for caption in own])
            if judged is None:
                continue
            judged_captions += len(judged)
            hallucinated += sum(caption.hallucinated > 0 for caption in judged)
            pair = preferred(judged)
            if pair is not None:
                images.append(row)
                chosen.append(tokens[row, list(pair)])
        at = torch.tensor(images, dtype=torch.int64, device=tokens.device)
        logs = {
            "pairs": torch.tensor(len(images) / len(ids)),
            "sample_CHAIRs": torch.tensor(hallucinated / max(judged_captions, 1)),
        }
        return at, torch.stack(chosen) if chosen else tokens[:0, :2], logs


def _log_probs(captioner: Captioner, features: Any, tokens: Tensor) -> Tensor:
    """Log-probabilities (P, 2) of captions (P, 2, T) of P images, `<end>` included."""
    said = tokens.flatten(0, 1)
    logits = captioner.unroll(pad(said[:, :-1], (1, 0), value=START), features).logits
    log_p = -F.cross_entropy(logits.float().flatten(0, 1), said.flatten(), ignore_index=PAD, reduction="none")
    return log_p.view(*tokens.shape).sum(-1)
