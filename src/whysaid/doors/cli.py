"""The frame of every door: it turns a command line into a configuration, and an error into one line."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from io import TextIOWrapper
from typing import Any

import hydra
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from yaml import YAMLError

from whysaid.doors.command_line import keep_texts, name_methods
from whysaid.doors.completion import FLAGS, completion_script
from whysaid.doors.sweep import SweepRecord, show_sweep
from whysaid.doors.typing_errors import typing_error
from whysaid.run import slurm
from whysaid.run.arguments import require_fitting
from whysaid.run.conf import CONF
from whysaid.run.error_message import error_line, expected
from whysaid.run.interrupted import Interrupted, interruptible
from whysaid.run.optuna_study import none_succeeded
from whysaid.run.printable import printable
from whysaid.run.processes import leave_processes, own_command
from whysaid.run.resolvers import register_resolvers
from whysaid.run.sweep import in_sweep
from whysaid.run.warnings_filter import filter_warnings


def door(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Decorates the main function of a door: composes `conf/<config_name>.yaml` with the command line and calls it.

    Errors of the user, of the configuration and of the command line end in one line on stderr and exit status 1;
    anything else is a defect and keeps its stack trace. Ctrl-C exits with 130 and SIGTERM with 143, each with a line. A
    sweep ends with its summary.
    """

    register_resolvers()  # here, since a job on another node composes before anything of it runs

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        composing = True

        @wraps(main)
        def job(config: DictConfig) -> Any:
            nonlocal composing
            composing = False
            filter_warnings()
            try:
                if not config.get("resume"):  # that run's own configuration is looked at then
                    require_fitting(config, config_name)
                with own_command():
                    return main(config)
            except Interrupted as stop:
                sys.exit(leave(stop))
            except Exception as error:
                if in_sweep() or not expected(error):
                    raise
                sys.exit(
                    f"error: {printable(error_line(error))}"
                )  # from inside the job, so that Hydra adds nothing to it
            finally:
                leave_processes()

        composed = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(job)

        def run() -> None:
            nonlocal composing
            if FLAGS.intersection(sys.argv[1:]):
                if "install=bash" not in sys.argv:
                    sys.exit("error: completion is for bash: -sc install=bash prints what switches it on")
                print(completion_script(), end="")
                return
            composing = True
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: names of files need not be UTF-8
            sys.argv[1:] = arguments = name_methods(keep_texts(sys.argv[1:]))
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach the handler below instead of Hydra's own
            SweepRecord.summed_up = None
            try:
                with interruptible():
                    composed()
            except Interrupted as stop:
                sys.exit(leave(stop))
            except KeyboardInterrupt:
                sys.exit(130)
            except BrokenPipeError:  # whoever reads has read enough: `… --help | head`
                with suppress(OSError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(1)
            except Exception as error:
                if none_succeeded(error):
                    sys.exit("error: no trial of the study has succeeded: the table says why each failed")
                # Hydra and PyYAML complain of command lines and yaml files in exceptions of many kinds
                if not expected(error) and not (composing and isinstance(error, ValueError | YAMLError)):
                    raise
                line = typing_error(error, config_name, arguments) if composing else None
                sys.exit(f"error: {printable(line or error_line(error))}")
            finally:
                show_sweep()

        return run

    return decorate


def leave(stop: Interrupted) -> int:
    """Returns the exit status of an interrupted run, and requeues its SLURM job where that is asked for.

    Processes other than the first return 0: one that failed would have the first one killed before it is done.
    """
    if getattr(rank_zero_only, "rank", 0):
        return 0
    if not stop.explained:
        print(f"{stop.by.name}: ended before it was done", file=sys.stderr)
    return 0 if stop.requeue and slurm.requeue() else 128 + stop.by
