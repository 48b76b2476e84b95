"""Training and evaluation of a model that answers questions: the procedure, not the model."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.metrics.vqa import GivenAnswer
from whysaid.models.saaa import SAAA
from whysaid.objectives.objective import QuestionObjective
from whysaid.tasks.trained import MakeOptimizer, Trained


class Answering(Trained):
    """A VQA model under an objective; steps of validation and test return `{"answers": {question id: answer}}`.

    Args:
        model: the model.
        vocabulary: words of the questions.
        answers: its answers.
        objective: gives the loss of a batch; without one it cannot be trained.
        optimizer, scheduler, monitor, tune_encoder, encoder_lr, config: as `Trained` takes them.
        ranked: how many of the likeliest answers are kept.
    """

    def __init__(
        self,
        model: SAAA,
        vocabulary: Vocabulary,
        answers: AnswerVocabulary,
        objective: QuestionObjective | None = None,
        optimizer: MakeOptimizer = torch.optim.Adam,
        scheduler: Callable[..., Any] | None = None,
        monitor: str = "val/vqa_accuracy",
        tune_encoder: bool = False,
        encoder_lr: float = 1e-4,
        config: dict[str, Any] | None = None,
        ranked: int = 5,
    ):
        super().__init__(model, objective, optimizer, scheduler, monitor, tune_encoder, encoder_lr, config)
        self.model, self.vocabulary, self.answers, self.ranked = model, vocabulary, answers, ranked

    def validation_step(self, batch: QuestionBatch, batch_idx: int) -> dict[str, Any]:
        return {"answers": self.answer(batch)}

    def test_step(self, batch: QuestionBatch, batch_idx: int) -> dict[str, Any]:
        return {"answers": self.answer(batch)}

    def answer(self, batch: QuestionBatch) -> dict[int, GivenAnswer]:
        """Answers the questions of a batch, in the mode the model is in: question id → answer."""
        logits = self.model(batch.questions.flatten(0, 1), self.model.features(batch)).float()
        p, best = logits.softmax(1).topk(min(self.ranked, len(self.answers)))
        choices: list[int | None] = [None] * len(logits)
        if batch.choices is not None:
            choices = best_choice(logits, batch.choices.flatten(0, 1))
        rows = zip(batch.question_ids.flatten().tolist(), p.tolist(), best.tolist(), choices, strict=True)
        return {i: GivenAnswer(self._ranked(chosen, p), choice) for i, p, chosen, choice in rows if i >= 0}

    def _ranked(self, answers: list[int], p: list[float]) -> tuple[tuple[str, float], ...]:
        return tuple((self.answers.answers[answer], value) for answer, value in zip(answers, p, strict=True))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["answers"] = self.answers.answers


def best_choice(logits: Tensor, choices: Tensor) -> list[int | None]:
    """Gives positions (N) of the likeliest of choices (N, C) under logits (N, V); None where all are −1, so unknown."""
    known = choices >= 0
    scores = logits.gather(1, choices.clamp(min=0)).masked_fill(~known, float("-inf"))
    return [
        position if any_known else None
        for position, any_known in zip(scores.argmax(1).tolist(), known.any(1).tolist(), strict=True)
    ]
