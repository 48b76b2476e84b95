"""The Lightning trainer of a configuration."""

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
        raise UserError(f"the trainer cannot be made: {' '.join(str(reason).split())}; change trainer.…") from error
    return trainer
