"""The Optuna study that the processes of a sweep share, and that outlives them."""

import time
from collections.abc import Iterable, Mapping
from random import SystemRandom
from typing import Any

from whysaid.errors import UserError
from whysaid.run import slurm

PATIENCE = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts to open a data base; up to as much again is added at random."""


def trials_left(storage: str, study: str, wanted: int) -> int:
    """Counts the trials of a study that this process shall do.

    They are those that are wanted and have not ended, so that a killed sweep goes on where it was. The tasks of a SLURM
    array share them out.

    Args:
        storage: URL of the data base, such as `sqlite:///FILE`.
        study: its name; it need not exist yet.
        wanted: trials in all.
    Raises:
        UserError: the data base cannot be opened.
    """
    optuna = _optuna()
    if study not in _studies(storage):
        return slurm.own_share(wanted)
    ended = [
        trial for trial in optuna.load_study(study, storage).get_trials(deepcopy=False) if trial.state.is_finished()
    ]
    left = max(wanted - len(ended), 0)
    return min(
        left, slurm.own_share(left if slurm.restarts() else wanted)
    )  # what a task did before it was requeued has ended


def _studies(storage: str) -> list[str]:
    """Returns the names of the studies in a data base, and makes its tables if there are none.

    Optuna makes them without a lock, so that of processes which begin together all but one may be told that a table
    exists already: that is no fault, they look again.
    """
    optuna = _optuna()
    from sqlalchemy.exc import DBAPIError  # of Optuna's

    for pause in PATIENCE:
        try:
            return [summary.study_name for summary in optuna.get_all_study_summaries(storage)]
        except DBAPIError as error:
            failure = error
        time.sleep(pause * (1 + SystemRandom().random()))
    raise UserError(f"cannot open the study's data base {storage}: {failure.orig}") from failure


def none_succeeded(error: BaseException) -> bool:
    """Tells whether an error is the one with which Optuna's sweeper ends where no trial of its study has a value."""
    return isinstance(error, ValueError) and str(error) in ("Record does not exist.", "No trials are completed yet.")


def own_trial(storage: str, study: str, overrides: Mapping[str, str], pruner: object) -> Any:
    """Finds the running trial whose parameters are those of this job; None where there is no such study or trial.

    Args:
        storage, study: as `trials_left` takes them.
        overrides: key → value of the job's command line.
        pruner: an Optuna pruner, asked by the trial's `should_prune`.
    """
    optuna = _optuna()
    try:
        shared = optuna.load_study(study, storage, pruner=pruner)
    except KeyError:
        return None
    running = [trial for trial in shared.get_trials(deepcopy=False) if trial.state == optuna.trial.TrialState.RUNNING]
    for trial in reversed(running):
        if trial.params and all(overrides.get(key) == str(value) for key, value in trial.params.items()):
            return optuna.trial.Trial(shared, trial._trial_id)
    return None


def override_values(overrides: Iterable[str]) -> dict[str, str]:
    """Returns key → value of the overrides on a job's command line."""
    return {key: value for key, _, value in (override.lstrip("+~").partition("=") for override in overrides)}


def _optuna() -> Any:
    try:
        import optuna  # not above: only sweeps need it
    except ImportError:
        raise UserError("sweep=optuna needs Optuna: pip install -e '.[sweep]'") from None
    return optuna
