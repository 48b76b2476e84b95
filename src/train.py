"""`python -m src.train experiment=NAME`: fit, then evaluate the best checkpoint on validation and test."""

import logging
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback

from src.assemble import assembly
from src.checkpoint import newest
from src.door import close, door, finish, resolved, run_dir, save_config, start_loggers
from src.errors import UserError

log = logging.getLogger(__name__)


@door("train")
def main(config: DictConfig) -> float | None:
    """Train and test what the configuration composes; returns the monitored metric, for sweeps."""
    folder = run_dir()
    resumed = newest(folder) if config.resume else None
    config = continue_config(config, folder) if config.resume else config
    return train(config, folder, resumed)


def train(config: DictConfig, folder: Path, resumed: Path | None = None) -> float | None:
    """Fit from scratch, from `config.ckpt`, or on from the checkpoint `resumed`; evaluate the best; write results."""
    pl.seed_everything(config.seed, workers=True, verbose=False)
    plain = resolved(config)
    callbacks: list[Callback] = [instantiate(c) for c in config.callbacks.values() if c]
    task, data = assembly(config.assemble).build_task(config, plain, resumed)
    save_config(plain, folder)
    trainer: pl.Trainer = instantiate(
        config.trainer, callbacks=callbacks, logger=start_loggers(config), default_root_dir=folder
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(plain)
    trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if config.test and not trainer.interrupted:
        best = getattr(trainer.checkpoint_callback, "best_model_path", "") or None
        for evaluate in (trainer.validate, trainer.test):
            evaluate(task, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
            metrics |= {name: float(value) for name, value in trainer.callback_metrics.items()}
    close(trainer)
    if trainer.is_global_zero:
        finish(metrics, folder)
    return metrics.get(config.monitor)


def continue_config(config: DictConfig, folder: Path) -> DictConfig:
    """The run's own configuration, with the values that were given beside `resume=` on the command line."""
    saved = folder / "config.yaml"
    if not saved.exists():
        raise UserError(f"{folder} holds no config.yaml: resume= takes the directory of an earlier run")
    given = [o for o in HydraConfig.get().overrides.task if not o.startswith("resume=")]
    own = OmegaConf.load(saved)
    assert isinstance(own, DictConfig)
    OmegaConf.set_struct(own, True)
    changed = OmegaConf.merge(own, OmegaConf.from_dotlist([*given, f"resume={config.resume}"]))
    assert isinstance(changed, DictConfig)
    return changed


if __name__ == "__main__":
    main()
