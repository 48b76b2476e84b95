"""What the four doors share: how a command line becomes a configuration, and an error one line.

A run directory is Hydra's own output directory, or that of the run which `resume=` continues.
"""

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.loggers import Logger, WandbLogger
from rich.console import Console
from rich.table import Table
from yaml import YAMLError

from src.data.whole import write_whole
from src.errors import UserError

BASELINES = {"human": "a reference", "majority": "commonest caption"}
"""Suffix of a metric's name → heading: what else was scored as the model's captions were."""

CONF = str(Path(__file__).parents[1] / "conf")

log = logging.getLogger(__name__)


def run_id(folder: str) -> str:
    """A W&B run id that is the same each time a run directory is resumed."""
    path = Path(folder).absolute()
    return "-".join(path.parts[-3:]) + "-" + hashlib.blake2b(str(path).encode(), digest_size=3).hexdigest()


def quick_precision() -> str:
    """`bf16-mixed` where the GPU or, without one, the CPU multiplies bfloat16 natively, else `32-true`."""
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if native else "32-true"


OmegaConf.register_new_resolver("quick_precision", quick_precision)
OmegaConf.register_new_resolver("first", lambda *values: next((v for v in values if v is not None), None))
OmegaConf.register_new_resolver("not", lambda value: not value)
OmegaConf.register_new_resolver("run_id", run_id)
OmegaConf.register_new_resolver("offline", lambda: os.environ.get("WANDB_MODE") not in ("online", "disabled"))


def door(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Decorates the main function of a door: composes `conf/<config_name>.yaml` with the command line and calls it.

    Errors of the user, of the configuration and of the command line end in one line on stderr and exit status 1;
    anything else is a defect and keeps its stack trace. Ctrl-C exits with 130.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        composing = True

        @wraps(main)
        def job(config: DictConfig) -> Any:
            nonlocal composing
            composing = False
            try:
                return main(config)
            except Exception as error:
                if HydraConfig.get().mode == RunMode.MULTIRUN or not expected(error):
                    raise
                sys.exit(f"error: {one_line(error)}")  # from inside the job, so that Hydra adds nothing to it

        composed = hydra.main(version_base="1.3", config_path=CONF, config_name=config_name)(job)

        def run() -> None:
            nonlocal composing
            composing = True
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach the handler below instead of Hydra's own
            try:
                composed()
            except KeyboardInterrupt:
                sys.exit(130)
            except Exception as error:
                # Hydra and PyYAML complain of command lines and yaml files in exceptions of many kinds
                if not expected(error) and not (composing and isinstance(error, ValueError | YAMLError)):
                    raise
                sys.exit(f"error: {one_line(error)}")

        return run

    return decorate


def expected(error: BaseException) -> bool:
    """Whether an error is the user's or the configuration's, rather than a defect."""
    if isinstance(error, InstantiationException):  # Hydra wraps whatever a constructor raises
        return _user_error(error) is not None
    return isinstance(error, UserError | HydraException | OmegaConfBaseException)


def one_line(error: BaseException) -> str:
    """The message of an error, or of the user's error inside it, on one line."""
    return " ".join(str(_user_error(error) or error).split())


def _user_error(error: BaseException | None) -> UserError | None:
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error


def run_dir() -> Path:
    """This run's directory, made where absent."""
    path = Path(HydraConfig.get().runtime.output_dir)
    path.mkdir(parents=True, exist_ok=True)
    return path


def resolved(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain containers."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def save_config(plain: Mapping[str, Any], folder: Path) -> None:
    """Writes `config.yaml`; after all that can be wrong with it, for a failed `resume=` must leave the run's own."""
    write_whole(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(plain))))


def start_loggers(config: DictConfig) -> list[Logger]:
    """The loggers of `config.logger`, started.

    One that cannot be had (W&B without its package, a login or a network) costs a warning and never the run.
    """
    loggers: list[Logger] = []
    for name, chosen in config.logger.items():
        try:
            logger = instantiate(chosen)
            getattr(logger, "experiment", None)  # W&B begins its run here, and finds out what it lacks
        except Exception as error:
            log.warning("the run goes on without logger.%s: %s", name, one_line(error))
        else:
            loggers += [logger] if logger else []
    return loggers


def close(trainer: pl.Trainer) -> None:
    """Ends every logger's run, so that another can begin in this process and nothing is printed after the results."""
    close_loggers(trainer.loggers, "aborted" if trainer.interrupted else "success")


def close_loggers(loggers: Sequence[Logger], status: str = "success") -> None:
    """Ends the loggers' runs."""
    for logger in loggers:
        logger.finalize(status)
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def finish(metrics: Mapping[str, float], folder: Path) -> None:
    """Writes `metrics.json` and prints, as the door's last lines, the table of metrics and the run directory."""
    numbers = {name: float(value) for name, value in sorted(metrics.items())}
    write_whole(folder / "metrics.json", json.dumps(numbers, indent=2) + "\n")
    logging.shutdown()
    Console().print(metrics_table(numbers))
    print(folder)


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """A row for each `<split>/<metric>` of an evaluated split, its baselines `<metric>_<baseline>` beside it."""
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        metric, baseline = re.fullmatch(rf"(.+?)(?:_({'|'.join(BASELINES)}))?", name).groups()  # type: ignore[union-attr]
        if not name.startswith(("train/", "lr-")):
            cells.setdefault(metric, {})[baseline or ""] = value
    baselines = [name for name in BASELINES if any(name in row for row in cells.values())]
    table = Table("metric", "value", *(BASELINES[name] for name in baselines))
    for metric, row in sorted(cells.items()):
        table.add_row(metric, *(f"{row[c]:.4f}" if c in row else "" for c in ("", *baselines)))
    return table
