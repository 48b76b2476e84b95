"""`python -m src.train experiment=NAME`: trains, then evaluates the best checkpoint on validation and test."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback

from whysaid.assemble import assembly
from whysaid.callbacks.last_checkpoint import LastCheckpoint
from whysaid.callbacks.lightning import callbacks_of, forget_averages, raised_in_restoring
from whysaid.data.files.whole import write_whole
from whysaid.doors.cli import door
from whysaid.doors.results import finish, keeping_metrics, logged_metrics, logged_notes
from whysaid.errors import UserError
from whysaid.report.model_card import model_card
from whysaid.run.arguments import given_overrides, require_fitting
from whysaid.run.conf import CONF
from whysaid.run.config_file import load_config, resolved, run_dir, save_config
from whysaid.run.directory import continues, refuse_second
from whysaid.run.interrupted import Interrupted
from whysaid.run.loggers import close, give_loggers
from whysaid.run.printable import encodable_values
from whysaid.run.provenance import provenance
from whysaid.run.resumable import newest
from whysaid.run.sole import sole
from whysaid.run.together import together
from whysaid.run.trainer import make_trainer, trainer_complaint

log = logging.getLogger(__name__)


@door("train")
def main(config: DictConfig) -> float | None:
    """Trains and tests what the configuration composes; returns the monitored metric, for sweeps."""
    folder = run_dir()
    with sole(folder):
        if config.resume:
            resumed = newest(folder)
            return train(continue_config(folder, given_overrides(), config.resume), folder, resumed)
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
    trainer = make_trainer(config, folder, callbacks=callbacks, logger=False)
    give_loggers(trainer, config)  # last of what is built: a mistake in the configuration starts no run in W&B
    save_config(plain, folder)  # now that all was built: a resumed run whose change failed keeps its own
    known = encodable_values({**plain, **provenance(data)})
    for logger in trainer.loggers:
        logger.log_hyperparams(known)
    try:
        with together(trainer, f"`python -m src.train resume={folder}` continues"):
            metrics = fit_and_test(trainer, task, data, config, folder, resumed)
    except UserError:
        raise
    except Exception as error:
        if raised_in_restoring(error):
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(
                f"{resumed} does not fit this run ({reason}): another version wrote it, or a run with other callbacks "
                f"or another optimiser; start a new run from its weights with ckpt={resumed}"
            ) from error
        if isinstance(error, ValueError) and any(f"`{name}`" in str(error) for name in config.trainer):
            raise trainer_complaint(error, config) from error
        if any(sign in str(error) for sign in _UNMEASURED):
            measured = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/")))
            raise UserError(f"monitor={config.monitor} is not measured: choose one of {measured}") from error
        raise
    except Interrupted as stop:
        log.warning("%s: the run has ended early; `python -m src.train resume=%s` continues it", stop.by.name, folder)
        conclude(trainer, metrics_so_far(trainer), folder)
        stop.explained = True
        raise
    conclude(trainer, metrics, folder)
    if trainer.is_global_zero:
        write_card(plain, metrics, folder)
        write_result = getattr(assembly(config.assemble), "write_result", None)
        if write_result is not None:
            write_result(folder)
    return metrics.get(config.monitor)


_UNMEASURED = ("conditioned on metric", "could not find the monitored key")
"""What Lightning says where nobody has logged the monitored metric."""


def write_card(config: Mapping[str, Any], metrics: Mapping[str, float], folder: Path) -> None:
    """Writes `checkpoints/README.md`, the model card, where there are checkpoints."""
    predictions = folder / "predictions_test.json"
    records = json.loads(predictions.read_text(encoding="utf-8")) if predictions.is_file() else []
    if (folder / "checkpoints").is_dir():
        write_whole(folder / "checkpoints" / "README.md", model_card(config, metrics, records))


def fit_and_test(
    trainer: pl.Trainer,
    task: pl.LightningModule,
    data: pl.LightningDataModule,
    config: DictConfig,
    folder: Path,
    resumed: Path | None,
) -> dict[str, float]:
    """Trains, and returns every metric: of the training, and of its best checkpoint on validation and test.

    They are written to `metrics.json` however an evaluation ends: what is drawn of it may fail.
    With `config.test=false` the latter are left out, and the monitored metric is that of the best validation.
    """
    trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
    forget_averages(trainer)
    metrics = metrics_so_far(trainer)
    best = trainer.checkpoint_callback
    if config.test:
        path = getattr(best, "best_model_path", "") or None
        for evaluate in (trainer.validate, trainer.test):
            with keeping_metrics(trainer, folder, metrics):
                evaluate(task, datamodule=data, ckpt_path=path, weights_only=True, verbose=False)
    elif getattr(best, "best_model_score", None) is not None:
        metrics[config.monitor] = float(best.best_model_score)  # type: ignore[union-attr]
    return metrics


def metrics_so_far(trainer: pl.Trainer) -> dict[str, float]:
    """Returns the value logged last under each name, by this process or before the checkpoint that it began from."""
    known = {name: value for last in callbacks_of(trainer, LastCheckpoint) for name, value in last.known.items()}
    return known | logged_metrics(trainer)


def conclude(trainer: pl.Trainer, metrics: dict[str, float], folder: Path) -> None:
    """Ends the loggers' runs, and writes and prints the metrics."""
    close(trainer)
    if trainer.is_global_zero:
        finish(metrics, folder, logged_notes(trainer))


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
    if overrides:
        require_fitting(config, "train")
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
