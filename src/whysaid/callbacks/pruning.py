"""Ends those trials of an Optuna study early that score worse than others did at the same validation."""

import logging
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from whysaid.run.optuna_study import override_values, own_trial

log = logging.getLogger(__name__)


class Pruning(Callback):
    """Reports the metric of each validation to the study, and ends the training where its pruner says so.

    A trial that is ended early counts with the best value that it had.

    Args:
        monitor: name of the metric; the study says whether it is to be high or low.
        storage: where Optuna keeps the study, an address or a file.
        study: name of the study.
        pruner: an Optuna pruner.
    """

    def __init__(self, monitor: str, storage: str, study: str, pruner: Any):
        self.monitor, self.storage, self.study, self.pruner = monitor, storage, study, pruner
        self._trial: Any = None
        self._validations = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            overrides = override_values(HydraConfig.get().overrides.task)
            self._trial = own_trial(self.storage, self.study, overrides, self.pruner)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        hopeless = False
        value = trainer.callback_metrics.get(self.monitor)
        if self._trial is not None and value is not None:
            self._trial.report(float(value), self._validations)
            hopeless = self._trial.should_prune()
        self._validations += 1
        if trainer.strategy.broadcast(hopeless):
            log.info("ended early: other trials had more than %s %.4f by now", self.monitor, float(value or 0))
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._validations = state_dict["validations"]
