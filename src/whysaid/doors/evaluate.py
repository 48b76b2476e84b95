"""`python -m src.evaluate ckpt=PATH [study=NAME]`: scores a checkpoint or an ensemble, or runs one of the studies."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.loggers import Logger
from rich.console import Console

from whysaid.assemble import stored_builder
from whysaid.doors.cli import door
from whysaid.doors.results import finish
from whysaid.run.config_file import resolved, run_dir, save_config
from whysaid.run.loggers import close, close_loggers, start_loggers
from whysaid.run.trainer import make_trainer
from whysaid.studies.common.outcome import Outcome, Study

WIDEST = 240
"""Width of a study's printed table, in characters; a narrower terminal breaks its lines."""


@door("evaluate")
def main(config: DictConfig) -> None:
    """Tests what `ckpt` names on `split`, with the data of its own run unless the command line changes them."""
    folder = run_dir()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    first = config.ckpt[0] if isinstance(config.ckpt, ListConfig) and config.ckpt else config.ckpt
    task, data, merged = stored_builder(first, "build_evaluation")(config)
    save_config(resolved(merged), folder)
    if config.get("study"):
        run_study(instantiate(merged.study), task, data, merged, folder)
        return
    callbacks = [instantiate(c) for c in merged.callbacks.values() if c]
    trainer = make_trainer(merged, folder, callbacks=callbacks, logger=start_loggers(merged))
    trainer.test(task, datamodule=data, verbose=False)
    close(trainer)
    if trainer.is_global_zero:
        finish({name: float(value) for name, value in trainer.callback_metrics.items()}, folder)


def run_study(study: Study, task: Any, data: Any, config: DictConfig, folder: Path) -> None:
    """Runs a study on the trainer's device, and writes, logs and prints its outcome."""
    name = HydraConfig.get().runtime.choices["study"]
    trainer = make_trainer(config, folder, logger=False)
    loggers: list[Logger] = start_loggers(config)
    outcome: Outcome = study(task.to(trainer.strategy.root_device), data, folder)
    outcome.write(folder, name)
    outcome.log(loggers, name)
    close_loggers(loggers)
    Console(width=WIDEST).print(outcome.table())
    for note in outcome.notes:
        print(note)
    finish(outcome.metrics, folder)
