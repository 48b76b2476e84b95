"""Training and evaluation of a captioner: the procedure, not the model."""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.trainer.states import TrainerFn

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoder
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.mean import mean_regions
from whysaid.objectives.objective import CaptionObjective
from whysaid.tasks.trained import MakeOptimizer, Trained
from whysaid.tasks.writer import Writer


class Captioning(Trained, Writer):
    """A captioner under an objective; callbacks score and show what it writes in validation and test.

    Args:
        captioner: the model.
        vocabulary: words of its indices.
        objective: gives the loss of a batch.
        decoding: how captions are written in validation and test.
        optimizer, scheduler, monitor, tune_encoder, encoder_lr, config: as `Trained` takes them.
        compile: run the model's parts through `torch.compile`.
    """

    captioner: Captioner

    def __init__(
        self,
        captioner: Captioner,
        vocabulary: Vocabulary,
        objective: CaptionObjective,
        decoding: Decoder,
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None = None,
        monitor: str = "val/CIDEr",
        tune_encoder: bool = False,
        encoder_lr: float = 1e-4,
        config: dict[str, Any] | None = None,
        compile: bool = False,
    ):
        super().__init__(
            captioner,
            objective,
            optimizer,
            scheduler,
            monitor,
            tune_encoder,
            encoder_lr,
            config,
            captioner=captioner,
            vocabulary=vocabulary,
            decoding=decoding,
        )
        if compile:
            captioner.advance = torch.compile(captioner.advance)  # type: ignore[method-assign]
        self._mean_step: int | None = None  # optimiser steps when the mean of the training features was computed

    @property
    def _learns(self) -> bool:
        """Whether training changes what the encoder gives."""
        return any(parameter.requires_grad for parameter in self.encoder.parameters())

    def on_fit_start(self) -> None:
        """Computes the mean of the training features, which an encoder that is frozen keeps."""
        if not self._learns:
            self._compute_mean()

    def on_validation_epoch_start(self) -> None:
        """Computes it anew for an encoder that learns, before captions and checkpoints are written with it."""
        if self._learns and self.trainer.state.fn == TrainerFn.FITTING:
            self._compute_mean()

    def _compute_mean(self) -> None:
        data: CaptionData = self.trainer.datamodule  # type: ignore[attr-defined]
        self.captioner.mean_regions = mean_regions(self.captioner, data.pictures("train"))
        self._mean_step = self.global_step

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds all that loading needs; the mean of the training features only where it is that of these weights."""
        super().on_save_checkpoint(checkpoint)
        mean = self.captioner.mean_regions
        if mean is not None and (not self._learns or self._mean_step == self.global_step):
            checkpoint["mean_regions"] = mean.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the mean of the training features with the weights."""
        self.captioner.mean_regions = checkpoint.get("mean_regions")
