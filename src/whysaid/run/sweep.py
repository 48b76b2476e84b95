"""The jobs of a sweep, each of which keeps a record of itself in its run directory.

A launcher on another machine, several processes that
share a study, the tasks of a SLURM array, and jobs that were killed are all found so, by reading the sweep's directory.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from whysaid.run import slurm
from whysaid.run.optuna_study import override_values

RECORD = "job.json"


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        folder: its run directory, in that of the sweep.
        overrides: key → value, of its command line.
        status: `running` (or killed), `done`, `failed`.
        error: why it failed, one line.
        monitor: name of the metric that is compared. smaller_is_better: of it. value: of it, where it is finite.
        seconds: that it took.
    """

    folder: str
    overrides: dict[str, str] = field(default_factory=dict)
    status: str = "running"
    error: str = ""
    monitor: str = ""
    smaller_is_better: bool = False
    value: float | None = None
    seconds: float = 0.0


def record(config: DictConfig) -> Job:
    """Of a job that starts."""
    smaller = OmegaConf.select(config, "callbacks.best.mode") == "min"
    return Job(
        run_folder(config).name,
        override_values(config.hydra.overrides.task),
        "running",
        "",
        str(config.get("monitor") or ""),
        smaller,
    )


def in_sweep() -> bool:
    """Whether this job is one of several: of a Hydra sweep, or of a SLURM array."""
    return HydraConfig.get().mode == RunMode.MULTIRUN or slurm.in_array()


def sweep_name() -> str | None:
    """Of the sweep that this job is part of, or None: jobs of one name are a group in W&B."""
    if slurm.in_array():
        return f"slurm-{str(slurm.job_id()).partition('_')[0]}"
    hydra = HydraConfig.get()
    return Path(hydra.sweep.dir).name if hydra.mode == RunMode.MULTIRUN else None


def run_folder(config: DictConfig) -> Path:
    """The run directory of a job."""
    return Path(config.hydra.runtime.output_dir)


def innermost_reason(error: object) -> str:
    """The innermost reason of an error."""
    while isinstance(error, BaseException) and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def read_jobs(folder: Path) -> list[Job]:
    """The jobs under a sweep's directory, the best first, then those that have no value."""
    found = []
    for path in sorted(folder.rglob(RECORD), key=lambda path: (len(str(path)), str(path))):
        job = Job(**json.loads(path.read_text()))
        job.folder = str(path.parent.relative_to(folder))
        found.append(job)
    return sorted(found, key=_place)


def _place(job: Job) -> tuple[bool, float]:
    value = job.value or 0.0
    return job.value is None, value if job.smaller_is_better else -value


def swept(jobs: Sequence[Job]) -> list[str]:
    """The keys in which jobs differ."""
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]
