"""Training and evaluation of a captioner: the procedure, not the model."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.data.batch import CaptionBatch
from src.data.vocabulary import Vocabulary
from src.decoding.decoder import Decoder
from src.models.captioner import Captioner
from src.tasks.writer import Writer


class Objective(Protocol):
    """What a captioner is trained for."""

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss () of a batch at an optimiser step, and scalars to log."""


class Captioning(Writer):
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
        optimizer: Callable[[Iterable[dict[str, Any]]], Optimizer],
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
        self.make_optimizer, self.make_scheduler, self.monitor = optimizer, scheduler, monitor
        self.tune_encoder, self.encoder_lr = tune_encoder, encoder_lr
        self.config = config or {}
        # Lightning trains each module in the mode it finds it in, and calls `train` only after a validation
        captioner.encoder.requires_grad_(tune_encoder).train(tune_encoder)
        if compile:
            captioner.advance = torch.compile(captioner.advance)  # type: ignore[method-assign]

    def train(self, mode: bool = True) -> "Captioning":
        """A frozen encoder stays in evaluation mode: its BatchNorm statistics do not move."""
        super().train(mode)
        if not self.tune_encoder:
            self.captioner.encoder.eval()
        return self

    def training_step(self, batch: CaptionBatch, batch_idx: int) -> Tensor:
        loss, logs = self.objective(self.captioner, batch, self.global_step)
        self.log_dict({f"train/{name}": value for name, value in logs.items()}, batch_size=len(batch), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        encoder = list(self.captioner.encoder.parameters()) if self.tune_encoder else []
        own = {id(parameter) for parameter in self.captioner.encoder.parameters()}
        decoder = [parameter for parameter in self.captioner.parameters() if id(parameter) not in own]
        if isinstance(self.objective, nn.Module):
            decoder += self.objective.parameters()
        groups: list[dict[str, Any]] = [{"params": decoder}]
        if encoder:
            groups.append({"params": encoder, "lr": self.encoder_lr})
        optimizer = self.make_optimizer(groups)
        if self.make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self._scheduler(optimizer)}

    def _scheduler(self, optimizer: Optimizer) -> dict[str, Any]:
        assert self.make_scheduler is not None
        if "steps" in inspect.signature(self.make_scheduler).parameters:
            scheduler = self.make_scheduler(optimizer, steps=self.trainer.estimated_stepping_batches)
        else:
            scheduler = self.make_scheduler(optimizer)
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            return {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor, "strict": False}
        return {"scheduler": scheduler, "interval": "step"}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Everything that loading needs, as plain containers."""
        checkpoint["vocabulary"] = self.vocabulary.words
        checkpoint["preprocessing"] = self.captioner.encoder.preprocessing.to_dict()
        checkpoint["config"] = self.config
