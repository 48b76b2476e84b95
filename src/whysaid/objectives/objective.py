"""What a model is trained for."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from torch import Tensor, nn

from whysaid.data.batch import CaptionBatch, QuestionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.questions.datamodule import QuestionData
from whysaid.models.captioner import Captioner
from whysaid.models.explainable import VQAModel

Logs = dict[str, Tensor]
"""Scalars to log, by name."""

Model = TypeVar("Model")
Batch = TypeVar("Batch")
Data = TypeVar("Data")


class Objective(ABC, Generic[Model, Batch, Data]):
    """Gives the loss of a batch.

    A task calls `make_parameters` when it is made itself, `prepare` when training begins, in each process, and the
    objective for each batch. Most objectives have no parameters and need nothing but the batch.
    """

    def make_parameters(self, model: Model) -> None:
        """Makes parameters of the objective's own, before there is an optimiser and before a checkpoint is loaded."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters to train that are not the model's."""
        return ()

    def prepare(self, model: Model, data: Data) -> None:
        """Takes what the objective needs of the model and of the training data, once, before the first batch."""

    @abstractmethod
    def __call__(self, model: Model, batch: Batch, step: int) -> tuple[Tensor, Logs]:
        """Computes the loss.

        Args:
            model: the model.
            batch: of the training data.
            step: optimiser steps done so far.

        Returns:
            The loss () and scalars to log.
        """


CaptionObjective = Objective[Captioner, CaptionBatch, CaptionData]
QuestionObjective = Objective[VQAModel, QuestionBatch, QuestionData]
