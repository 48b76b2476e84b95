"""What a sweep leaves behind, however its jobs were run: `sweep.csv`, `sweep.png`, and a table on the console.

Each job keeps a record of itself in its run directory, so that a launcher on another machine, several processes that
share a study, the tasks of a SLURM array, and jobs that were killed are all found by reading the sweep's directory.
"""

import csv
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from src import slurm
from src.data.whole import write_whole
from src.figures.canvas import save
from src.figures.sweep import sweep_figure
from src.study import given

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


class SweepRecord(Callback):
    """Hydra's callback that writes a job's record when it starts and when it ends; a run by itself has none.

    Args:
        folder: what is summed up; None: the directory of the sweep.

    Attributes:
        summed_up: the directory of the sweep that this process has begun last.
    """

    summed_up: ClassVar[Path | None] = None

    def __init__(self, folder: str | None = None) -> None:
        self.folder, self._started = folder, 0.0

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        SweepRecord.summed_up = Path(self.folder or config.hydra.sweep.dir)
        SweepRecord.summed_up.mkdir(parents=True, exist_ok=True)  # Optuna's data base will lie in it

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._started = time.monotonic()
        if in_sweep():
            self._write(config, record(config))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if not in_sweep():
            return
        job, result = record(config), job_return._return_value
        job.seconds = round(time.monotonic() - self._started, 1)
        if job_return.status == JobStatus.COMPLETED:
            job.status = "done"
            job.value = result if isinstance(result, float) and math.isfinite(result) else None
        else:
            job.status, job.error = "failed", one_line(result)
        self._write(config, job)

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """The tasks of a SLURM array are no Hydra sweep: each that ends sums up what there is."""
        if slurm.in_array() and slurm.rank() == 0:
            summarise(run_folder(config).parent)

    def _write(self, config: DictConfig, job: Job) -> None:
        if slurm.rank() == 0:
            write_whole(run_folder(config) / RECORD, json.dumps(asdict(job), indent=2) + "\n")


def record(config: DictConfig) -> Job:
    """Of a job that starts."""
    smaller = OmegaConf.select(config, "callbacks.best.mode") == "min"
    return Job(
        run_folder(config).name,
        given(config.hydra.overrides.task),
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


def one_line(error: object) -> str:
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


def summarise(folder: Path) -> list[Job]:
    """Writes `sweep.csv` and `sweep.png` into a sweep's directory and returns its jobs, the best first."""
    with FileLock(folder / ".sweep.lock"):
        jobs = read_jobs(folder)
        if not jobs:
            return jobs
        write_whole(folder / "sweep.csv", _csv(folder, jobs))
        done = [job for job in jobs if job.value is not None]
        if done:
            columns = {key: [job.overrides.get(key, "") for job in done] for key in swept(jobs)}
            figure = sweep_figure(columns, [float(job.value or 0) for job in done], jobs[0].monitor)
            save(figure, folder / "sweep.png")
    return jobs


def _csv(folder: Path, jobs: Sequence[Job]) -> str:
    """A row for each job: what it was given, how it ended, and every metric of its `metrics.json`."""
    metrics = [_metrics(folder / job.folder) for job in jobs]
    keys, names = swept(jobs), sorted({name for numbers in metrics for name in numbers})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["job", *keys, "status", "value", "seconds", "error", *names])
    for job, numbers in zip(jobs, metrics, strict=True):
        varied = [job.overrides.get(key, "") for key in keys]
        value = "" if job.value is None else job.value
        ended = [job.status, value, job.seconds, job.error]
        writer.writerow([job.folder, *varied, *ended, *(numbers.get(name, "") for name in names)])
    return text.getvalue()


def _metrics(folder: Path) -> Mapping[str, float]:
    path = folder / "metrics.json"
    return json.loads(path.read_text()) if path.exists() else {}


def sweep_table(jobs: Sequence[Job]) -> Table:
    """What was varied and what it gave; failed jobs with their reason."""
    keys = swept(jobs)
    table = Table("job", *keys, jobs[0].monitor or "value", "")
    for job in jobs:
        value = "" if job.value is None else f"{job.value:.4f}"
        ended = "" if job.status == "done" else f"{job.status}: {job.error}".removesuffix(": ")
        table.add_row(job.folder, *(job.overrides.get(key, "") for key in keys), value, ended)
    return table
