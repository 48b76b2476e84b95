"""The exception of a run that was asked to end."""

import signal


class Interrupted(BaseException):
    """Raised between two batches, on all processes alike; it is no `Exception`, so that no handler swallows it.

    Args:
        by: the signal.
        requeue: whether the SLURM job is to be started again.
    """

    def __init__(self, by: signal.Signals, requeue: bool):
        super().__init__(by.name)
        self.by, self.requeue = by, requeue
