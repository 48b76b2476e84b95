"""Training and evaluation of a captioner: the procedure, not the model."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoder
from whysaid.models.captioner import Captioner
from whysaid.tasks.trained import MakeOptimizer, Trained
from whysaid.tasks.writer import Writer


class Objective(Protocol):
    """What a captioner is trained for."""

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss () of a batch at an optimiser step, and scalars to log."""


@runtime_checkable
class NeedsData(Protocol):
    """An objective that rewards or explains words: it wants the references, or the vocabulary, of its data."""

    def use(self, data: CaptionData) -> None:
        """Takes what it needs, once, before the first step."""


class Captioning(Writer, Trained):
    """A captioner under an objective; callbacks score and show what it writes in validation and test.

    Args:
        captioner: the model.
        vocabulary: words of its indices.
        objective: gives the loss of a batch.
        decoding: how captions are written in validation and test.
        optimizer: makes an optimiser of parameter groups.
        scheduler: makes a learning-rate scheduler of the optimiser, or None; told the run's `steps` if it takes them.
        monitor: metric of a plateau scheduler.
        tune_encoder: train the encoder too; otherwise it is frozen and stays in evaluation mode.
        encoder_lr: the encoder's own learning rate.
        config: the resolved configuration, plain containers, stored in every checkpoint.
        compile: run the model's parts through `torch.compile`.
    """

    def __init__(
        self,
        captioner: Captioner,
        vocabulary: Vocabulary,
        objective: Objective,
        decoding: Decoder,
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None = None,
        monitor: str = "val/CIDEr",
        tune_encoder: bool = False,
        encoder_lr: float = 1e-4,
        config: dict[str, Any] | None = None,
        compile: bool = False,
    ):
        super().__init__(captioner, vocabulary, decoding)
        self.captioner: Captioner
        self.objective = objective
        if isinstance(objective, nn.Module):  # one that has parameters of its own
            objective.attach(captioner)  # type: ignore[operator]
        self.learn(captioner, vocabulary, optimizer, scheduler, monitor, tune_encoder, encoder_lr, config)
        if compile:
            captioner.advance = torch.compile(captioner.advance)  # type: ignore[method-assign]

    def setup(self, stage: str) -> None:
        """In each process: objectives that need the training data get it."""
        if stage == "fit" and isinstance(self.objective, NeedsData):
            self.objective.use(self.trainer.datamodule)  # type: ignore[attr-defined]

    def training_step(self, batch: CaptionBatch, batch_idx: int) -> Tensor:
        loss, logs = self.objective(self.captioner, batch, self.global_step)
        self.log_dict({f"train/{name}": value for name, value in logs.items()}, batch_size=len(batch), prog_bar=True)
        return loss

    def extra_parameters(self) -> Iterable[nn.Parameter]:
        return self.objective.parameters() if isinstance(self.objective, nn.Module) else ()
