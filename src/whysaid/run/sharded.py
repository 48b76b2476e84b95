"""Lightning's strategy for weights that are sharded over all processes of a run."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden

from whysaid.errors import UserError


class FullySharded(ModelParallelStrategy):
    """Shards the weights, their gradients and the optimiser's moments over all processes (FSDP, Zhao et al. 2023).

    Each process takes batches of its own, as under DDP. Modules shard themselves in `configure_model`, along the
    dimension `data_parallel` of the mesh. A checkpoint is one file with the whole weights, as any other.

    Args:
        options: further ones of `ModelParallelStrategy`, such as `timeout`.
    """

    def __init__(self, **options: Any):
        super().__init__(save_distributed_checkpoint=False, **options)

    def setup_environment(self) -> None:
        """Puts all processes into one group of data parallelism, now that their number is known."""
        self._data_parallel_size, self._tensor_parallel_size = self.num_nodes * self.num_processes, 1
        super().setup_environment()

    def setup(self, trainer: pl.Trainer) -> None:
        """Raises UserError where the module does not shard itself."""
        if not is_overridden("configure_model", self.lightning_module):
            raise UserError(
                "trainer=fsdp shards the weights of a model of transformers that is trained on, as "
                "experiment=blip_coco does, and of no other: choose trainer=ddp"
            )
        super().setup(trainer)
