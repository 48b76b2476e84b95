"""The jobs of a sweep, each of which keeps a record of itself in its run directory.

So the jobs of a launcher on another machine, of processes that share a study, of a SLURM array, and those that were
killed, are all found by reading the directory of the sweep.
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
    """Makes the record of a job that starts."""
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
    """Tells whether this job is one of several: of a Hydra sweep, or of a SLURM array."""
    return HydraConfig.get().mode == RunMode.MULTIRUN or slurm.in_array()


def sweep_name() -> str | None:
    """Returns the name of the sweep that this job is part of, or None; W&B groups the runs of one name."""
    if slurm.in_array():
        return f"slurm-{str(slurm.job_id()).partition('_')[0]}"
    hydra = HydraConfig.get()
    return Path(hydra.sweep.dir).name if hydra.mode == RunMode.MULTIRUN else None


def run_folder(config: DictConfig) -> Path:
    """Returns the run directory of a job."""
    return Path(config.hydra.runtime.output_dir)


def innermost_reason(error: object) -> str:
    """Returns the message of the error that caused an error, on one line."""
    while isinstance(error, BaseException) and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def read_jobs(folder: Path) -> list[Job]:
    """Reads the jobs below the directory of a sweep: the best first, and last those that have no value."""
    jobs = []
    for path in sorted(folder.rglob(RECORD), key=lambda path: (len(str(path)), str(path))):
        try:
            job = Job(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            job = Job("", status="failed", error=f"{path} is damaged")
        job.folder = str(path.parent.relative_to(folder))
        jobs.append(job)
    return sorted(jobs, key=_place)


def _place(job: Job) -> tuple[bool, float]:
    value = job.value or 0.0
    return job.value is None, value if job.smaller_is_better else -value


def swept(jobs: Sequence[Job]) -> list[str]:
    """Lists the keys in which jobs differ."""
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]
