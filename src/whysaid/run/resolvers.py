"""The resolvers of the configuration, such as `${quick_precision:}`: all of them are registered by one call."""

import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from whysaid.run import directory, slurm
from whysaid.run.conf import choices_of
from whysaid.run.optuna_study import trials_left
from whysaid.run.sweep import sweep_name
from whysaid.version import __version__


def register_resolvers() -> None:
    """Registers every resolver that `conf/` uses; calling it again changes nothing.

    `run_directory`, `result_directory`, `sweep_directory` and `trials_left` are asked once in a configuration and then
    remembered, since each call would make another directory or read the study's data base again.
    """
    plain: dict[str, Callable[..., Any]] = {
        "quick_dtype": quick_dtype,
        "quick_precision": quick_precision,
        "first": lambda *values: next((value for value in values if value is not None), None),
        "not": lambda value: not value,
        "run_id": run_id,
        "version": lambda: __version__,
        "sweep_name": sweep_name,
        "terminal": at_terminal,
        "choices": choices_of,
        "offline": lambda: os.environ.get("WANDB_MODE") not in ("online", "disabled"),
        "process": lambda: f"_{slurm.rank()}" if slurm.rank() else "",
    }
    remembered: dict[str, Callable[..., Any]] = {
        "run_directory": directory.run_directory,
        "result_directory": directory.result_directory,
        "sweep_directory": directory.sweep_directory,
        "trials_left": trials_left,
    }
    for name, resolver in plain.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
    for name, resolver in remembered.items():
        OmegaConf.register_new_resolver(name, resolver, use_cache=True, replace=True)


def at_terminal() -> bool:
    """Tells whether what a door prints is read at a terminal, rather than from a file or a pipe."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def run_id(folder: str) -> str:
    """Returns a W&B run id that is the same each time a run directory is resumed.

    W&B allows 128 characters, and none of `:;,#?/'`; here they are letters and digits of ASCII, `.`, `-` and `_`.
    """
    path = Path(folder).absolute()
    name = re.sub(r"[^\w.-]+", "_", "-".join(path.parts[-3:]), flags=re.ASCII)[-100:]
    return f"{name}-{hashlib.blake2b(os.fsencode(path), digest_size=3).hexdigest()}"


def quick_dtype() -> str:
    """Returns `bfloat16` where the GPU or, without one, the CPU multiplies it natively, else `float32`.

    `ATEN_CPU_CAPABILITY=avx2`, which keeps torch from the instructions that do so, counts as a CPU without them.
    """
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        allowed = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        native = allowed and torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if native else "float32"


def quick_precision() -> str:
    """Returns Lightning's name of `quick_dtype` as a precision: `bf16-mixed` or `32-true`."""
    return "bf16-mixed" if quick_dtype() == "bfloat16" else "32-true"
