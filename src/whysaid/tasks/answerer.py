"""A model that answers questions: all that evaluation needs, and what training builds on."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.metrics.vqa import GivenAnswer
from whysaid.models.explainable import VQAModel


class Answerer(pl.LightningModule):
    """Answers questions; steps return `{"answers": {question id: answer}}`.

    Args:
        model: the model.
        vocabulary: words of the questions.
        answers: its answers.
        ranked: how many of the likeliest answers are kept.
    """

    def __init__(self, model: VQAModel, vocabulary: Vocabulary, answers: AnswerVocabulary, ranked: int = 5):
        super().__init__()
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


def best_choice(logits: Tensor, choices: Tensor) -> list[int | None]:
    """Gives positions (N) of the likeliest of choices (N, C) under logits (N, V); None where all are −1, so unknown."""
    known = choices >= 0
    scores = logits.gather(1, choices.clamp(min=0)).masked_fill(~known, float("-inf"))
    return [
        position if any_known else None
        for position, any_known in zip(scores.argmax(1).tolist(), known.any(1).tolist(), strict=True)
    ]
