"""Fine-tuning of a captioner of transformers."""

from collections.abc import Mapping
from typing import Any

from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.models.transformers.tuning import Tuning
from whysaid.tasks.captioning import Captioning


class Tuned(Captioning):
    """Training and evaluation of a captioner of transformers, whose checkpoints hold what makes it anew.

    Args:
        captioner: prepared by `tuning`.
        tuning: which of its weights are trained.
        files: name → text of its configurations and its tokenizer.
        others: as `Captioning` takes them.
    """

    def __init__(self, captioner: PretrainedCaptioner, tuning: Tuning, files: Mapping[str, str], **others: Any):
        super().__init__(captioner, **others)
        self.files = dict(files)
        tuning.freeze(captioner)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds all that loading needs."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["files"] = self.files
