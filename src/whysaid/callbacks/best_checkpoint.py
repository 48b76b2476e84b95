"""Keeps the best checkpoint of a run, and lets a run go on that has lost it."""

import logging
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

from whysaid.run.resumable import damage

log = logging.getLogger(__name__)


class BestCheckpoint(ModelCheckpoint):
    """Lightning's callback, which looks at the best checkpoint of the former process before it relies on it.

    Lightning's own believes the path in its state: a run that goes on without that file, or with half of it, would
    fail when its best checkpoint is tested, after all the training.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what was best, unless its file is gone or damaged: then the next one to come is the best."""
        path = state_dict["best_model_path"]
        problem = damage(Path(path)) if path else ""
        if problem:
            log.warning("%s is lost (%s): the best checkpoint is chosen among those from here on", path, problem)
        else:
            super().load_state_dict(state_dict)
