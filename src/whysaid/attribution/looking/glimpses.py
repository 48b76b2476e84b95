"""Glimpses as an explanation: where the model looked as it answered.

B images, K questions per image, G glimpses, h × w cells of the encoder's grid.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from whysaid.data.batch import QuestionBatch
from whysaid.models.saaa import SAAA


@torch.no_grad()
def glimpse_maps(model: SAAA, batch: QuestionBatch) -> NDArray[np.floating]:
    """Gives the glimpses (B, K, G, h, w) of a model, in the mode it is in, at all questions; each sums to 1."""
    assert model.encoder.grid is not None
    questions = batch.questions.flatten(0, 1)
    glimpses = model.look(model.embed(questions), model.features(batch)).glimpses.float().cpu()
    maps: NDArray[np.floating] = glimpses.unflatten(0, (len(batch), -1)).unflatten(-1, model.encoder.grid).numpy()
    return maps
