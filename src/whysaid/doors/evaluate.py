"""`python -m src.evaluate ckpt=PATH [study=NAME]`: scores a checkpoint or an ensemble, or runs one of the studies.

`predictions=FILE references=FILE` scores the captions of any other system.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.loggers import Logger

from whysaid.assemble import hub_options, predictions, stored_builder
from whysaid.callbacks.interruption import Interruption
from whysaid.doors.cli import door
from whysaid.doors.command_line import require_checkpoint
from whysaid.doors.results import finish, keeping_metrics, logged_metrics, logged_notes
from whysaid.errors import UserError
from whysaid.run.arguments import require_fitting
from whysaid.run.config_file import resolved, run_dir, save_config
from whysaid.run.loggers import close, close_loggers, give_loggers, start_loggers
from whysaid.run.printable import Printer, printable
from whysaid.run.together import together
from whysaid.run.trainer import make_trainer
from whysaid.studies.common.outcome import Outcome, Study
from whysaid.studies.common.studied import require_studied

WIDEST = 240
"""Width of a study's printed table, in characters; a narrower terminal breaks its lines."""


EVALUATED = ("revision", "dtype", "prompt")
"""Keys of the configuration that only models of transformers take."""


@door("evaluate")
def main(config: DictConfig) -> None:
    """Tests what `ckpt` names on `split`, with the data of its own run unless the command line changes them; or the
    captions of a file."""
    if config.predictions is None:
        require_checkpoint(config)
    folder = run_dir()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    task, data, merged = _builder(config)(config)
    if config.get("study"):
        require_studied(HydraConfig.get().runtime.choices["study"], config.study, task)
    require_fitting(merged, "evaluate")
    save_config(resolved(merged), folder)
    if config.get("study"):
        run_study(instantiate(merged.study), task, data, merged, folder)
        return
    callbacks = [*(instantiate(c) for c in merged.callbacks.values() if c), Interruption()]
    trainer = make_trainer(merged, folder, callbacks=callbacks, logger=False)
    give_loggers(trainer, merged)
    with together(trainer, "run this again"), keeping_metrics(trainer, folder):
        trainer.test(task, datamodule=data, verbose=False)
    close(trainer)
    if trainer.is_global_zero:
        finish(logged_metrics(trainer), folder, logged_notes(trainer))


def _builder(config: DictConfig) -> Callable[[DictConfig], tuple[Any, Any, DictConfig]]:
    """What makes the task and its data: of captions in a file, or of the task that the checkpoint is of."""
    if config.predictions is not None:
        return predictions.build_evaluation
    first = config.ckpt[0] if isinstance(config.ckpt, ListConfig) and config.ckpt else config.ckpt
    hub_options(first, config, EVALUATED)  # raises UserError where they do not apply
    return stored_builder(first, "build_evaluation")


def run_study(study: Study, task: Any, data: Any, config: DictConfig, folder: Path) -> None:
    """Runs a study on the trainer's device, and writes, logs and prints its outcome."""
    name = HydraConfig.get().runtime.choices["study"]
    if not data.is_annotated(data.evaluated):
        raise UserError(
            f"study={name} needs to know what is right, and the {data.evaluated} split has no annotations: choose "
            "split=val, or leave study= out to predict them"
        )
    trainer = make_trainer(config, folder, logger=False)
    loggers: list[Logger] = start_loggers(config)
    outcome: Outcome = study(task.to(trainer.strategy.root_device), data, folder)
    outcome.write(folder, name)
    outcome.log(loggers, name)
    close_loggers(loggers)
    Printer(width=WIDEST).print(outcome.table())
    for note in outcome.notes:
        print(printable(note))
    finish(outcome.metrics, folder)
