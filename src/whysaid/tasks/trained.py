"""What training any model on an encoder has in common: an objective, parameter groups, a schedule, a checkpoint."""

from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from whysaid.data.vocabulary import Vocabulary
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Explainable
from whysaid.objectives.objective import Objective
from whysaid.tasks.schedules import scheduled
from whysaid.tasks.settings import require_settings

MakeOptimizer = Callable[[Iterable[dict[str, Any]]], Optimizer]


class Trained(pl.LightningModule):
    """An `Explainable` under an objective, its encoder frozen or tuned at a rate of its own.

    A subclass that also evaluates names this class first among its bases, and this one's constructor calls the next.

    Args:
        explainable: the model; the subclass keeps it under a name of its own, which names its weights in checkpoints.
        objective: gives the loss of a batch.
        optimizer: makes an optimiser of parameter groups.
        scheduler: makes a learning-rate scheduler of the optimiser, or None; told the run's `steps` if it takes them.
        monitor: metric of a plateau scheduler.
        tune_encoder: train the encoder too; otherwise it is frozen and stays in evaluation mode.
        encoder_lr: the encoder's own learning rate.
        config: the resolved configuration, plain containers, stored in every checkpoint.
        evaluation: arguments of the next base class's constructor.

    Attributes:
        vocabulary: words that the model reads; the subclass sets it.
    """

    vocabulary: Vocabulary

    def __init__(
        self,
        explainable: Explainable,
        objective: Objective[Any, Any, Any],
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None,
        monitor: str,
        tune_encoder: bool,
        encoder_lr: float,
        config: dict[str, Any] | None,
        **evaluation: Any,
    ):
        super().__init__(**evaluation)
        self._model = (explainable,)  # in a tuple, so that it is no submodule twice
        self.objective = objective
        objective.make_parameters(explainable)
        require_settings(optimizer, scheduler)
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.monitor, self.tune_encoder, self.encoder_lr = monitor, tune_encoder, encoder_lr
        self.config = config or {}
        # Lightning trains each module in the mode it finds it in, and calls `train` only after a validation
        explainable.encoder.requires_grad_(tune_encoder).train(tune_encoder)

    @property
    def encoder(self) -> Encoder:
        """The encoder of the model."""
        return self._model[0].encoder

    def setup(self, stage: str) -> None:
        """Prepares the objective, in each process."""
        if stage == "fit":
            self.objective.prepare(self._model[0], self.trainer.datamodule)  # type: ignore[attr-defined]

    def train(self, mode: bool = True) -> "Trained":
        """Sets the mode; a frozen encoder stays in evaluation mode, so that its BatchNorm statistics do not move."""
        super().train(mode)
        if not self.tune_encoder:
            self.encoder.eval()
        return self

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss, logs = self.objective(self._model[0], batch, self.global_step)
        self.log_dict({f"train/{name}": value for name, value in logs.items()}, batch_size=len(batch), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        (model,) = self._model
        encoder = list(model.encoder.parameters())
        of_encoder = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in model.parameters() if id(parameter) not in of_encoder]
        groups: list[dict[str, Any]] = [{"params": [*others, *self.objective.parameters()]}]
        if encoder and self.tune_encoder:
            groups.append({"params": encoder, "lr": self.encoder_lr})
        optimizer = self.make_optimizer(groups)
        # Lightning clips no gradients of a fused optimiser, which might be the one to undo a scaler's work: this one is
        # told that the scaler itself does so
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        if self.make_scheduler is None:
            return optimizer
        scheduler = scheduled(self.make_scheduler, optimizer, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": self._when_to_step(scheduler)}

    def _when_to_step(self, scheduler: Any) -> dict[str, Any]:
        """A scheduler with what Lightning has to know of it: one that waits for a plateau steps at validations."""
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            return {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor, "strict": False}
        return {"scheduler": scheduler, "interval": "step"}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds all that loading needs, as plain containers."""
        checkpoint["vocabulary"] = self.vocabulary.words
        checkpoint["preprocessing"] = self.encoder.preprocessing.to_dict()
        checkpoint["config"] = self.config
