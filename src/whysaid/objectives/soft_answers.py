"""Cross-entropy against what people said, all of them.

B images, K questions per image, P people, V answers.
"""

import torch
from torch import Tensor

from whysaid.data.batch import QuestionBatch
from whysaid.models.saaa import SAAA
from whysaid.objectives.cross_entropy import Logs
from whysaid.objectives.joint import joint


class SoftAnswers:
    """−Σ_a share(a) · log p(a), share(a) of the people asked (Kazemi & Elqursh 2017, Eq. 5); mean over questions.

    Answers outside of the vocabulary keep their share and have no term: such a question weighs less.
    """

    def __call__(self, model: SAAA, batch: QuestionBatch, step: int) -> tuple[Tensor, Logs]:
        """The loss () of a batch, and `loss` and `accuracy`, the mean share of the likeliest answer, to log."""
        logits = model(batch.questions.flatten(0, 1), model.features(batch))
        answers, asked = batch.answers.flatten(0, 1), batch.question_ids.flatten() >= 0
        loss = soft_cross_entropy(logits[asked], answers[asked])
        said = logits.detach().argmax(1, keepdim=True)
        right = (said == answers)[asked].float().mean()
        return joint(loss, asked.sum()), {"loss": loss.detach(), "accuracy": right}


def soft_cross_entropy(logits: Tensor, answers: Tensor) -> Tensor:
    """Logits (N, V), answers (N, P) int64 of P people, −1 outside of the vocabulary → () mean over N, in nats."""
    log_p = logits.float().log_softmax(1)
    said = log_p.gather(1, answers.clamp(min=0))
    return -torch.where(answers >= 0, said, 0.0).mean(1).mean()
