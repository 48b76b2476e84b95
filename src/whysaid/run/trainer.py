"""The Lightning trainer of a configuration."""

import re
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from whysaid.errors import UserError


def make_trainer(config: DictConfig, folder: Path, **arguments: Any) -> pl.Trainer:
    """Makes the trainer that `config.trainer` describes.

    Args:
        config: a composed configuration.
        folder: the run directory.
        arguments: further ones of the trainer, such as `callbacks` and `logger`.

    Raises:
        UserError: Lightning or torch refuses the settings, such as a GPU that is not there.
    """
    try:
        trainer: pl.Trainer = instantiate(config.trainer, default_root_dir=folder, **arguments)
    except InstantiationException as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise trainer_complaint(reason, config) from error
    # Lightning takes a run that max_steps limits to be in the middle of an epoch wherever it goes on, and so leaves out
    # the epoch behind one that had ended
    trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]
    return trainer


def trainer_complaint(reason: BaseException, config: DictConfig) -> UserError:
    """Returns the one line about what Lightning or torch says of the trainer's settings."""
    text = " ".join(str(reason).split()).removesuffix(".")
    named = [name for name in config.trainer if re.search(rf"\b{name}\b", text)]
    named = named or [name for name, value in config.trainer.items() if isinstance(value, str) and f"'{value}'" in text]
    keys = " or ".join(f"trainer.{name}" for name in named[:2])
    return UserError(f"the trainer cannot do this: {text}; change {keys or 'trainer.…'}")
