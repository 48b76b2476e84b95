"""What training any model on an encoder has in common: parameter groups, a schedule, a checkpoint."""

from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import Optimizer

from whysaid.data.vocabulary import Vocabulary
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Explainable
from whysaid.tasks.schedules import scheduled

MakeOptimizer = Callable[[Iterable[dict[str, Any]]], Optimizer]


class Trained(pl.LightningModule):
    """An `Explainable` whose encoder is frozen, or tuned at a rate of its own; `learn` says how."""

    def learn(
        self,
        model: Explainable,
        vocabulary: Vocabulary,
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None,
        monitor: str,
        tune_encoder: bool,
        encoder_lr: float,
        config: dict[str, Any] | None,
    ) -> None:
        """To be called in the constructor of a subclass.

        Args:
            model: it stands among the module's attributes already.
            vocabulary: of the words it reads.
            optimizer: makes an optimiser of parameter groups.
            scheduler: makes a learning-rate scheduler of the optimiser, or None; told the run's `steps` if it takes
                them.
            monitor: metric of a plateau scheduler.
            tune_encoder: train the encoder too; otherwise it is frozen and stays in evaluation mode.
            encoder_lr: the encoder's own learning rate.
            config: the resolved configuration, plain containers, stored in every checkpoint.
        """
        self._model = (model,)  # in a tuple, so that it is no submodule twice
        self.vocabulary, self.make_optimizer, self.make_scheduler = vocabulary, optimizer, scheduler
        self.monitor, self.tune_encoder, self.encoder_lr = monitor, tune_encoder, encoder_lr
        self.config = config or {}
        # Lightning trains each module in the mode it finds it in, and calls `train` only after a validation
        model.encoder.requires_grad_(tune_encoder).train(tune_encoder)

    @property
    def encoder(self) -> Encoder:
        """The model's."""
        return self._model[0].encoder

    def train(self, mode: bool = True) -> "Trained":
        """A frozen encoder stays in evaluation mode: its BatchNorm statistics do not move."""
        super().train(mode)
        if not self.tune_encoder:
            self.encoder.eval()
        return self

    def extra_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters to train that are not the model's."""
        return ()

    def configure_optimizers(self) -> Any:
        (model,) = self._model
        encoder = list(model.encoder.parameters())
        own = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in model.parameters() if id(parameter) not in own]
        groups: list[dict[str, Any]] = [{"params": [*others, *self.extra_parameters()]}]
        if encoder and self.tune_encoder:
            groups.append({"params": encoder, "lr": self.encoder_lr})
        optimizer = self.make_optimizer(groups)
        if self.make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self._scheduler(optimizer)}

    def _scheduler(self, optimizer: Optimizer) -> dict[str, Any]:
        assert self.make_scheduler is not None
        scheduler = scheduled(self.make_scheduler, optimizer, self.trainer.estimated_stepping_batches)
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            return {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor, "strict": False}
        return {"scheduler": scheduler, "interval": "step"}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Everything that loading needs, as plain containers."""
        checkpoint["vocabulary"] = self.vocabulary.words
        checkpoint["preprocessing"] = self.encoder.preprocessing.to_dict()
        checkpoint["config"] = self.config
