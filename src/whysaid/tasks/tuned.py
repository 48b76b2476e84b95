"""Fine-tuning of a captioner of transformers."""

from collections.abc import Mapping
from typing import Any

from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.models.transformers.sharding import gather, release, shard
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

    captioner: PretrainedCaptioner

    def __init__(self, captioner: PretrainedCaptioner, tuning: Tuning, files: Mapping[str, str], **others: Any):
        super().__init__(captioner, **others)
        self.files = dict(files)
        tuning.freeze(captioner)

    def configure_model(self) -> None:
        """Shards the weights where the strategy has a mesh of processes: `trainer=fsdp`."""
        if self.device_mesh is not None:
            shard(self.captioner, self.device_mesh["data_parallel"])

    def on_validation_start(self) -> None:
        """Keeps sharded weights whole while captions are written and drawn."""
        gather(self.captioner)

    def on_validation_end(self) -> None:
        """Lets them be sharded again."""
        release(self.captioner)

    def on_test_start(self) -> None:
        """As for validation."""
        self.on_validation_start()

    def on_test_end(self) -> None:
        """As after validation."""
        self.on_validation_end()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds all that loading needs."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["files"] = self.files
