"""The SLURM job that this process runs in, as its environment tells."""

import logging
import os
import subprocess

log = logging.getLogger(__name__)

_INTERACTIVE = ("bash", "interactive")
"""Names of jobs that somebody types commands in; Lightning knows them by these too."""


def job_id() -> str | None:
    """Returns `<job>`, or `<job of the array>_<task>`, which stay over requeues; None outside of a batch job."""
    if os.environ.get("SLURM_JOB_NAME") in _INTERACTIVE:
        return None
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def in_array() -> bool:
    """Tells whether the job is a task of an array."""
    return "_" in (job_id() or "")


def own_share(total: int) -> int:
    """Counts those of `total` jobs that this task does, where the tasks of an array share them out evenly.

    The numbers of the tasks have no gaps. Outside of an array it is all of them.
    """
    if not in_array():
        return total
    first, tasks = (int(os.environ.get(f"SLURM_ARRAY_TASK_{name}", "0")) for name in ("MIN", "COUNT"))
    place, tasks = int(os.environ["SLURM_ARRAY_TASK_ID"]) - first, max(tasks, 1)
    return total // tasks + (place % tasks < total % tasks)


def step() -> str:
    """Returns `.<n>` in the n-th `srun` of a job, and nothing in the first or without one: each is a run of its own."""
    number = os.environ.get("SLURM_STEP_ID", "0")
    return f".{number}" if number.isdecimal() and number != "0" else ""


def restarts() -> int:
    """Counts how often the job was requeued."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def requeue() -> bool:
    """Puts the job back into the queue, which ends this process.

    Returns:
        Whether SLURM did; False outside of a job.
    """
    job = job_id()
    if job is None:
        return False
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("SLURM job %s could not be requeued: %s", job, error)
        return False
    if done.returncode:
        log.warning("SLURM job %s could not be requeued: %s", job, done.stderr.strip())
    return done.returncode == 0


def rank() -> int:
    """Returns the rank of this process in its job, before there is a process group; 0 outside of SLURM."""
    return int(os.environ.get("SLURM_PROCID", "0")) if job_id() is not None else 0


def processes() -> int:
    """Counts the processes of this job step; 1 outside of SLURM."""
    in_step = job_id() is not None and "SLURM_STEP_ID" in os.environ
    return int(os.environ.get("SLURM_NTASKS", "1")) if in_step else 1
