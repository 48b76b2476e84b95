"""Training of a model that answers questions: the procedure, not the model."""

from collections.abc import Callable
from typing import Any

from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.models.explainable import VQAModel
from whysaid.objectives.objective import QuestionObjective
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.trained import MakeOptimizer, Trained


class Answering(Trained, Answerer):
    """A VQA model under an objective; callbacks score and show what it answers in validation and test.

    Args:
        model: the model.
        vocabulary: words of the questions.
        answers: its answers.
        objective: gives the loss of a batch.
        optimizer, scheduler, monitor, tune_encoder, encoder_lr, config: as `Trained` takes them.
        ranked: how many of the likeliest answers are kept.
    """

    def __init__(
        self,
        model: VQAModel,
        vocabulary: Vocabulary,
        answers: AnswerVocabulary,
        objective: QuestionObjective,
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None = None,
        monitor: str = "val/vqa_accuracy",
        tune_encoder: bool = False,
        encoder_lr: float = 1e-4,
        config: dict[str, Any] | None = None,
        ranked: int = 5,
    ):
        super().__init__(
            model,
            objective,
            optimizer,
            scheduler,
            monitor,
            tune_encoder,
            encoder_lr,
            config,
            model=model,
            vocabulary=vocabulary,
            answers=answers,
            ranked=ranked,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["answers"] = self.answers.answers
