"""Tells when a callback that draws every few epochs is to draw."""

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn


class Due:
    """Tells whether to draw in this validation.

    It is true in the first validation, and then in the first that is at least so many epochs later, however seldom a
    run validates; always outside of training, and never in the sanity check.

    Args:
        every_n_epochs: epochs of training between two drawings.
    """

    def __init__(self, every_n_epochs: int):
        self.every_n_epochs, self._next = every_n_epochs, 0

    def __call__(self, trainer: pl.Trainer) -> bool:
        """Returns the answer, and counts from this epoch on if it is yes; to be called once in a validation."""
        training = trainer.state.fn == TrainerFn.FITTING
        if trainer.sanity_checking or (training and trainer.current_epoch < self._next):
            return False
        self._next = trainer.current_epoch + self.every_n_epochs
        return True
