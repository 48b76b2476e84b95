"""Cross-entropy against what people said, all of them.

B images, K questions per image, P people, V answers.
"""

import torch
from torch import Tensor

from whysaid.data.batch import QuestionBatch
from whysaid.models.explainable import VQAModel
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import Logs, QuestionObjective


class SoftAnswers(QuestionObjective):
    """−Σ_a share(a) · log p(a), share(a) of the people asked (Kazemi & Elqursh 2017, Eq. 5); mean over questions.

    Answers outside of the vocabulary keep their share and have no term: such a question weighs less.
    """

    def __call__(self, model: VQAModel, batch: QuestionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs `loss` and `accuracy`, the mean share of the likeliest answer."""
        logits = model(batch.questions.flatten(0, 1), model.features(batch))
        answers, real = batch.answers.flatten(0, 1), batch.question_ids.flatten() >= 0
        loss = soft_cross_entropy(logits[real], answers[real])
        likeliest = logits.detach().argmax(1, keepdim=True)
        accuracy = (likeliest == answers)[real].float().mean()
        return joint(loss, real.sum()), {"loss": loss.detach(), "accuracy": accuracy}


def soft_cross_entropy(logits: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy against the shares of people's answers, in nats.

    Args:
        logits: (N, V).
        answers: (N, P) int64 of P people, −1 outside of the vocabulary.

    Returns:
        The mean () over the N questions.
    """
    log_p = logits.float().log_softmax(1).gather(1, answers.clamp(min=0))
    return -torch.where(answers >= 0, log_p, 0.0).mean(1).mean()
