"""Run directories: each run has its own, and the same one each time that SLURM starts its job again.

<output>/<task_name>/2026-11-20_09-00-00          a run; `-2`, `-3` … where several start in one second
<output>/<task_name>/slurm-4711                   a SLURM job, over all its requeues; `.1` … its later `srun`s
<output>/<task_name>/multirun/slurm-4711/3        task 3 of a SLURM array, which is a sweep
<output>/<task_name>/multirun/<as the first>/3    job 3 of a Hydra sweep
<output>/<task_name>/multirun/<study>/<as the first>/3    job 3 of a sweep that seeks for an Optuna study
"""

from datetime import datetime
from itertools import count
from pathlib import Path

from whysaid.errors import UserError
from whysaid.run import slurm


def run_directory(parent: str, resume: str | None = None) -> str:
    """Returns the directory that `resume` names, or else that of the SLURM job or a new one below `parent`."""
    if resume is not None:
        if Path(resume).is_file():
            raise UserError(f"resume={resume} is a file: resume= takes the run directory that it lies in")
        if not Path(resume).is_dir():
            raise UserError(f"there is no run directory {resume}: resume= takes that of an earlier training")
        return resume
    job = slurm.job_id()
    if job is None:
        return fresh(parent)
    first, _, task = job.partition("_")
    name = f"slurm-{first}"
    return str(Path(parent, "multirun", name, task + slurm.step()) if task else Path(parent, name + slurm.step()))


def result_directory(parent: str) -> str:
    """Returns a new directory below `parent`, since one SLURM job may evaluate often.

    The processes of a job that has several agree on the directory of the job, as in `run_directory`.
    """
    return run_directory(parent) if slurm.processes() > 1 else fresh(parent)


def sweep_directory(parent: str, study: str | None = None) -> str:
    """Returns a new directory for a sweep: a SLURM job that is requeued begins its sweep anew.

    Args:
        parent: of the sweeps of a door.
        study: name of the study whose trials are sought; those of all its sweeps lie in one directory below `parent`.
    """
    parent = str(Path(parent, study)) if study else parent
    job, again = slurm.job_id(), slurm.restarts()
    if job is None:
        return fresh(parent)
    return str(Path(parent, f"slurm-{job}{slurm.step()}" + (f"-{again + 1}" if again else "")))


def fresh(parent: str) -> str:
    """Makes a directory named after this second; two runs never get the same one."""
    Path(parent).mkdir(parents=True, exist_ok=True)  # raises where it cannot be made, which is no run of this second
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in count(1):
        path = Path(parent, now if number == 1 else f"{now}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return str(path)
    raise AssertionError


def continues(folder: Path) -> bool:
    """Tells whether SLURM started this job again and the run in `folder` has got as far as a checkpoint."""
    return slurm.restarts() > 0 and (folder / "config.yaml").exists() and any(folder.glob("checkpoints/*.ckpt"))


def refuse_second(folder: Path) -> None:
    """Raises UserError where `folder` holds another run of the same SLURM job, and not the one that was requeued."""
    of_a_job = any(part.startswith("slurm-") for part in folder.parts[-2:])
    if of_a_job and slurm.rank() == 0 and slurm.restarts() == 0 and (folder / "config.yaml").exists():
        raise UserError(f"{folder} holds another run of this SLURM job: start each of its runs with srun")
