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
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Column, Table
from yaml import YAMLError

from src import run_directory, slurm
from src.data.whole import write_whole
from src.errors import UserError
from src.hushed import hush
from src.interrupted import Interrupted
from src.processes import leave_processes, own_command
from src.study import none_succeeded, trials_left
from src.sweep import Job, SweepRecord, in_sweep, summarise, sweep_name, sweep_table

BASELINES = {
    "human": "a reference",
    "majority": "commonest caption",
    "mean_fill": "mean colour",
    "biharmonic": "biharmonic",
}
"""Suffix of a metric's name → heading: what else was scored as the model's captions or pictures were."""

LARGEST_CONFIG = 1_000_000
"""Bytes of a config.yaml; that of a run has about 10,000."""

CONF = str(Path(__file__).parents[1] / "conf")

log = logging.getLogger(__name__)


def run_id(folder: str) -> str:
    """A W&B run id that is the same each time a run directory is resumed."""
    path = Path(folder).absolute()
    return "-".join(path.parts[-3:]) + "-" + hashlib.blake2b(str(path).encode(), digest_size=3).hexdigest()


def quick_dtype() -> str:
    """`bfloat16` where the GPU or, without one, the CPU multiplies it natively, else `float32`."""
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if native else "float32"


def quick_precision() -> str:
    """Lightning's name of `quick_dtype` as a precision: `bf16-mixed` or `32-true`."""
    return "bf16-mixed" if quick_dtype() == "bfloat16" else "32-true"


OmegaConf.register_new_resolver("quick_dtype", quick_dtype)
OmegaConf.register_new_resolver("quick_precision", quick_precision)
OmegaConf.register_new_resolver("first", lambda *values: next((v for v in values if v is not None), None))
OmegaConf.register_new_resolver("not", lambda value: not value)
OmegaConf.register_new_resolver("run_id", run_id)
run_directory.register()
OmegaConf.register_new_resolver("sweep_name", sweep_name)
OmegaConf.register_new_resolver("trials_left", trials_left, use_cache=True)
OmegaConf.register_new_resolver("offline", lambda: os.environ.get("WANDB_MODE") not in ("online", "disabled"))


def door(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Decorates the main function of a door: composes `conf/<config_name>.yaml` with the command line and calls it.

    Errors of the user, of the configuration and of the command line end in one line on stderr and exit status 1;
    anything else is a defect and keeps its stack trace. Ctrl-C exits with 130. A sweep ends with its summary.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        composing = True

        @wraps(main)
        def job(config: DictConfig) -> Any:
            nonlocal composing
            composing = False
            hush()
            try:
                with own_command():
                    return main(config)
            except Interrupted as stop:
                sys.exit(leave(stop))
            except Exception as error:
                if in_sweep() or not expected(error):
                    raise
                sys.exit(f"error: {one_line(error)}")  # from inside the job, so that Hydra adds nothing to it
            finally:
                leave_processes()

        composed = hydra.main(version_base="1.3", config_path=CONF, config_name=config_name)(job)

        def run() -> None:
            nonlocal composing
            composing = True
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach the handler below instead of Hydra's own
            SweepRecord.summed_up = None
            try:
                composed()
            except KeyboardInterrupt:
                sys.exit(130)
            except Exception as error:
                if none_succeeded(error):
                    sys.exit("error: no trial of the study has succeeded: the table says why each failed")
                # Hydra and PyYAML complain of command lines and yaml files in exceptions of many kinds
                if not expected(error) and not (composing and isinstance(error, ValueError | YAMLError)):
                    raise
                sys.exit(f"error: {one_line(error)}")
            finally:
                show_sweep()

        return run

    return decorate


def leave(stop: Interrupted) -> int:
    """The exit status of an interrupted run, whose SLURM job is put back into the queue where the signal says so.

    That of other processes than the first is 0: one that fails would have the first one killed before it is done.
    """
    if getattr(rank_zero_only, "rank", 0):
        return 0
    return 0 if stop.requeue and slurm.requeue() else 128 + stop.by


def show_sweep() -> None:
    """Writes and prints the summary of the sweep that this process has run, if it has."""
    folder = SweepRecord.summed_up
    jobs: list[Job] = summarise(folder) if folder is not None and folder.is_dir() else []
    if jobs:
        Console().print(sweep_table(jobs))
        print(folder)


def expected(error: BaseException) -> bool:
    """Whether an error is the user's or the configuration's, rather than a defect."""
    if isinstance(error, InstantiationException):  # Hydra wraps whatever a constructor raises
        return _user_error(error) is not None or _refused(error) is not None
    return isinstance(error, UserError | HydraException | OmegaConfBaseException) or _refused(error) is not None


def one_line(error: BaseException) -> str:
    """The message of an error, or of the user's error inside it, on one line."""
    refused = _refused(error)
    if refused is not None and _user_error(error) is None:
        return f"{refused.filename} cannot be read or written ({refused.strerror}): choose other places with {_PLACES}"
    return " ".join(str(_user_error(error) or error).split())


_PLACES = "paths.output_dir, paths.data_dir, or data.cache_dir for what is derived from the data"


def _refused(error: BaseException | None) -> OSError | None:
    """The machine's refusal to write a file, inside an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (EACCES, EPERM, EROFS, ENOSPC, EDQUOT) and error.filename:
            return error
        error = error.__cause__ or error.__context__
    return None


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


def require_plain(path: Path) -> None:
    """UserError for a config.yaml that no run wrote: too large, or with aliases: few lines make gigabytes."""
    if path.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{path} has {path.stat().st_size} bytes: no run of this project wrote it")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(path.read_text(errors="replace"))):
        raise UserError(f"{path} has aliases (*name): no run of this project wrote it")


@rank_zero_only
def save_config(plain: Mapping[str, Any], folder: Path) -> None:
    """Writes `config.yaml`; after all that can be wrong with it, for a failed `resume=` must leave the run's own."""
    write_whole(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(plain))))


def start_loggers(config: DictConfig) -> list[Logger]:
    """The loggers of `config.logger`, started.

    W&B that cannot be reached goes on offline; a logger that cannot be had at all (a package is missing) costs a
    warning and never the run.
    """
    loggers = [_started(name, chosen) for name, chosen in config.logger.items() if chosen]
    return [logger for logger in loggers if logger is not None]


def _started(name: Any, chosen: DictConfig, **changes: Any) -> Logger | None:
    if chosen.get("offline") and chosen.get("log_model"):
        changes = {"offline": False, "mode": "offline"}  # Lightning refuses the two together, W&B does not
    try:
        logger = instantiate(chosen, **changes)
        getattr(logger, "experiment", None)  # W&B begins its run here, and finds out what it lacks
    except Exception as error:
        if chosen.get("offline") is False and not changes and find_spec("wandb"):
            log.warning("W&B cannot be reached, so the run goes on offline: %s", one_line(error))
            log.warning("send it later with `wandb sync %s/wandb/offline-run-*`", chosen.save_dir)
            import_module("wandb").teardown()  # it would not begin the same run twice
            return _started(name, chosen, offline=not chosen.get("log_model"), mode="offline")
        log.warning("the run goes on without logger.%s: %s", name, one_line(error))
        return None
    return logger


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
    """A row for each `<split>/<metric>` of an evaluated split, its baselines `<metric>_<baseline>` beside it.

    Where other splits were evaluated, `train/` is what training logged, and left out.
    """
    elsewhere = any(name.startswith(("val/", "test/")) for name in metrics)
    passed_over = ("lr-", "train/") if elsewhere else ("lr-",)
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        metric, baseline = re.fullmatch(rf"(.+?)(?:_({'|'.join(BASELINES)}))?", name).groups()  # type: ignore[union-attr]
        if metric not in metrics:
            metric, baseline = name, None
        if not name.startswith(passed_over):
            cells.setdefault(metric, {})[baseline or ""] = value
    baselines = [name for name in BASELINES if any(name in row for row in cells.values())]
    table = Table(Column("metric", overflow="fold"), "value", *(BASELINES[name] for name in baselines))
    for metric, row in sorted(cells.items()):
        table.add_row(metric, *(f"{row[c]:.4f}" if c in row else "" for c in ("", *baselines)))
    return table
