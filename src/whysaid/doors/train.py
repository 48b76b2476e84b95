"""`python -m src.train experiment=NAME`: trains, then evaluates the best checkpoint on validation and test."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback

from whysaid.assemble import assembly
from whysaid.checkpoint import newest
from whysaid.doors.cli import door
from whysaid.doors.results import finish
from whysaid.errors import UserError
from whysaid.run.conf import CONF
from whysaid.run.config_file import load_config, resolved, run_dir, save_config
from whysaid.run.directory import continues, refuse_second
from whysaid.run.interrupted import Interrupted
from whysaid.run.loggers import close, start_loggers
from whysaid.run.provenance import provenance
from whysaid.run.trainer import make_trainer

log = logging.getLogger(__name__)


@door("train")
def main(config: DictConfig) -> float | None:
    """Trains and tests what the configuration composes; returns the monitored metric, for sweeps."""
    folder = run_dir()
    if config.resume:
        resumed = newest(folder)
        return train(continue_config(folder, HydraConfig.get().overrides.task, config.resume), folder, resumed)
    if continues(folder):
        log.info("SLURM has started this job again: it goes on where it was")
        return train(continue_config(folder), folder, newest(folder))
    refuse_second(folder)
    return train(config, folder)


def train(config: DictConfig, folder: Path, resumed: Path | None = None) -> float | None:
    """Trains, evaluates the best checkpoint, and writes the results.

    Args:
        config: composed by `conf/train.yaml`; with `ckpt` training starts from the weights of that checkpoint.
        folder: the run directory.
        resumed: the checkpoint that training goes on from, with its optimiser and its place in the data; or None.

    Returns:
        The monitored metric, or None where it was never measured.
    """
    if config.get("finetune") and not (config.ckpt or resumed):
        raise UserError(
            "this objective fine-tunes a trained model: give it with ckpt=PATH; "
            f"`python -m src.train experiment={_experiment()}` makes one"
        )
    pl.seed_everything(config.seed, workers=True, verbose=False)
    plain = resolved(config)
    callbacks: list[Callback] = [instantiate(c) for c in config.callbacks.values() if c]
    task, data = assembly(config.assemble).build_task(config, plain, resumed)
    trainer = make_trainer(config, folder, callbacks=callbacks, logger=start_loggers(config))
    save_config(plain, folder)  # now that all was built: a resumed run whose change failed keeps its own
    known = {**plain, **provenance(data)}
    for logger in trainer.loggers:
        logger.log_hyperparams(known)
    try:
        metrics = fit_and_test(trainer, task, data, config, resumed)
    except RuntimeError as error:
        what = lost(str(error))
        if not what:
            raise
        raise UserError(f"{what}; `python -m src.train resume={folder}` continues") from error
    except Interrupted as stop:
        log.warning("%s: the run has ended early; `python -m src.train resume=%s` continues it", stop.by.name, folder)
        conclude(trainer, numbers(trainer), folder)
        raise
    conclude(trainer, metrics, folder)
    return metrics.get(config.monitor)


def fit_and_test(
    trainer: pl.Trainer,
    task: pl.LightningModule,
    data: pl.LightningDataModule,
    config: DictConfig,
    resumed: Path | None,
) -> dict[str, float]:
    """Trains, and returns every metric: of the training, and of its best checkpoint on validation and test.

    With `config.test=false` the latter are left out, and the monitored metric is that of the best validation.
    """
    trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
    metrics = numbers(trainer)
    best = trainer.checkpoint_callback
    if config.test:
        path = getattr(best, "best_model_path", "") or None
        for evaluate in (trainer.validate, trainer.test):
            evaluate(task, datamodule=data, ckpt_path=path, weights_only=True, verbose=False)
            metrics |= numbers(trainer)
    elif getattr(best, "best_model_score", None) is not None:
        metrics[config.monitor] = float(best.best_model_score)  # type: ignore[union-attr]
    return metrics


def lost(message: str) -> str:
    """Explains torch's message about a process that was ended from outside; empty where it is about another fault."""
    if "DataLoader worker" in message:
        return "a process that loads images was killed, often for want of memory: lower data.num_workers"
    if any(word in message for word in ("gloo", "NCCL")) and any(word in message for word in _SILENT):
        return "another process of this run has died: its own last lines, or the system's log, say why"
    return ""


_SILENT = ("Connection closed", "Connection reset", "Broken pipe", "remote process exited", "timed out", "Timed out")


def numbers(trainer: pl.Trainer) -> dict[str, float]:
    """Returns the value that was logged last under each name."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def conclude(trainer: pl.Trainer, metrics: dict[str, float], folder: Path) -> None:
    """Ends the loggers' runs, and writes and prints the metrics."""
    close(trainer)
    if trainer.is_global_zero:
        finish(metrics, folder)


def _experiment() -> str:
    return HydraConfig.get().runtime.choices.get("experiment") or "NAME"


def continue_config(folder: Path, overrides: Sequence[str] = (), resume: str | None = None) -> DictConfig:
    """Returns the configuration of the run in `folder`, changed by what stands beside `resume=` on the command line.

    Args:
        folder: the run directory.
        overrides: of the command line, in Hydra's grammar.
        resume: as it was given.

    Raises:
        UserError: the folder holds no run, or was moved, or an override cannot change a run that goes on.
    """
    saved = folder / "config.yaml"
    if not saved.is_file():
        raise UserError(f"{folder} holds no config.yaml: resume= takes the directory of an earlier run")
    config = load_config(saved)
    if Path(config.paths.run_dir).resolve() != folder.resolve():  # it would write there
        raise UserError(
            f"{folder} was {config.paths.run_dir} when it was trained: move it back, or start from its weights with "
            "ckpt="
        )
    OmegaConf.set_struct(config, True)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.key_or_group != "resume":
            change_value(config, override)
    config.resume = resume
    return config


def change_value(config: DictConfig, override: Override) -> None:
    """Changes one value of a run's own configuration; UserError where an override would do anything else."""
    key, text = override.key_or_group, override.input_line
    if (CONF / key).is_dir() or override.is_delete() or override.package is not None:
        raise UserError(
            f"{text} cannot be changed in a run that goes on: resume= keeps the groups of its run; give single values, "
            "such as trainer.max_epochs=40, or start a new run from its weights with ckpt="
        )
    if not override.is_add() and OmegaConf.select(config, key, default=_ABSENT) is _ABSENT:
        raise UserError(f"the configuration of this run has no {key}: leave {text} out, or add it with +{text}")
    OmegaConf.update(config, key, override.value(), force_add=override.is_add())


_ABSENT = object()
