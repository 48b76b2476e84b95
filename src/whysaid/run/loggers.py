"""The loggers of a run: started with what is there, and ended so that another run can begin in the same process."""

import logging
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger

from whysaid.run.error_message import error_line

log = logging.getLogger(__name__)


def start_loggers(config: DictConfig) -> list[Logger]:
    """Starts the loggers of `config.logger`, and returns those that could be had.

    W&B that cannot be reached goes on offline; a logger that cannot be had at all (a package is missing) costs a
    warning and never the run.
    """
    loggers = [_started(name, chosen) for name, chosen in config.logger.items() if chosen]
    return [logger for logger in loggers if logger is not None]


def give_loggers(trainer: pl.Trainer, config: DictConfig) -> None:
    """Starts the loggers of `config.logger` for a trainer that was made without any; in a trial run none."""
    trainer.loggers = [DummyLogger()] if trainer.fast_dev_run else start_loggers(config)  # type: ignore[attr-defined]


def _started(name: Any, chosen: DictConfig, **changes: Any) -> Logger | None:
    if chosen.get("offline") and chosen.get("log_model"):
        changes = {"offline": False, "mode": "offline"}  # Lightning refuses the two together, W&B does not
    try:
        logger = instantiate(chosen, **changes)
        getattr(logger, "experiment", None)  # W&B begins its run here, and finds out what it lacks
    except Exception as error:
        if chosen.get("offline") is False and not changes and find_spec("wandb"):
            log.warning("W&B cannot be reached, so the run goes on offline: %s", error_line(error))
            log.warning("send it later with `wandb sync %s/wandb/offline-run-*`", chosen.save_dir)
            import_module("wandb").teardown()  # it would not begin the same run twice
            return _started(name, chosen, offline=not chosen.get("log_model"), mode="offline")
        log.warning("the run goes on without logger.%s: %s", name, error_line(error))
        return None
    return logger


def close(trainer: pl.Trainer) -> None:
    """Ends every logger's run, so that another can begin in this process and nothing is printed after the results."""
    close_loggers(trainer.loggers, "aborted" if trainer.interrupted else "success")


def close_loggers(loggers: Sequence[Logger], status: str = "success") -> None:
    """Ends the run of each logger."""
    for logger in loggers:
        logger.finalize(status)
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
