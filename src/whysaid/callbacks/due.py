"""When a callback that draws every few epochs draws."""

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn


class Due:
    """True in the first validation, and then in the first that is so many epochs later, however seldom one validates;
    always outside of training, and never in the sanity check.

    Args:
        every_n_epochs: epochs of training in between.
    """

    def __init__(self, every_n_epochs: int):
        self.every_n_epochs, self._next = every_n_epochs, 0

    def __call__(self, trainer: pl.Trainer) -> bool:
        """To be asked once in a validation."""
        training = trainer.state.fn == TrainerFn.FITTING
        if trainer.sanity_checking or (training and trainer.current_epoch < self._next):
            return False
        self._next = trainer.current_epoch + self.every_n_epochs
        return True
