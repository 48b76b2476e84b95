"""The summary of a sweep, as its jobs run and after the last: `sweep.csv`, `sweep.png` and a printed table."""

import csv
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.table import Table

from whysaid.data.files.whole import write_whole
from whysaid.figures.canvas import save
from whysaid.figures.sweep import sweep_figure
from whysaid.run import slurm
from whysaid.run.printable import Printer
from whysaid.run.sweep import RECORD, Job, in_sweep, innermost_reason, read_jobs, record, run_folder, swept


class SweepRecord(Callback):
    """Hydra's callback that writes the record of each job of a sweep when the job starts and when it ends.

    Args:
        folder: the directory that is summed up; None takes that of the sweep.

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
            job.status, job.error = "failed", innermost_reason(result)
        self._write(config, job)

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Sums up after each task of a SLURM array: together they are a sweep, but none that Hydra knows of."""
        if slurm.in_array() and slurm.rank() == 0:
            summarise(run_folder(config).parent)

    def _write(self, config: DictConfig, job: Job) -> None:
        if slurm.rank() == 0:
            write_whole(run_folder(config) / RECORD, json.dumps(asdict(job), indent=2) + "\n")


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
    """Returns a row for each job: its varied keys, how it ended, and every metric of its `metrics.json`."""
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
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def sweep_table(jobs: Sequence[Job]) -> Table:
    """Makes a table of the varied keys and the compared metric; a failed job has its reason in the last column."""
    keys = swept(jobs)
    table = Table("job", *keys, jobs[0].monitor or "value", "")
    for job in jobs:
        value = "" if job.value is None else f"{job.value:.4f}"
        ended = "" if job.status == "done" else f"{job.status}: {job.error}".removesuffix(": ")
        table.add_row(job.folder, *(job.overrides.get(key, "") for key in keys), value, ended)
    return table


def show_sweep() -> None:
    """Writes and prints the summary of the sweep, if this process has run one."""
    folder = SweepRecord.summed_up
    jobs: list[Job] = summarise(folder) if folder is not None and folder.is_dir() else []
    if jobs:
        Printer().print(sweep_table(jobs))
        print(folder)
