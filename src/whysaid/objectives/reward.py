"""What scores sampled captions one by one."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from whysaid.data.captions.datamodule import CaptionData
from whysaid.objectives.references import Sampled


class Reward(ABC):
    """Scores each of n samples of each of B images; most need nothing but these and their references."""

    def prepare(self, data: CaptionData) -> None:  # noqa: B027
        """Takes what the reward needs of the training data, once, before the first call."""

    @abstractmethod
    def __call__(self, sampled: Sampled) -> NDArray[np.float64]:
        """Gives scores (B, n), larger is better."""
