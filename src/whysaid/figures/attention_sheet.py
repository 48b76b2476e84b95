"""Where people and a model look to answer a question: the photo under everyone's map, by answer."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whysaid.figures.comparison import comparison
from whysaid.figures.overlay import soften
from whysaid.metrics.human_attention import standardised

Array = NDArray[np.floating]


ABOVE = "how far above the map's mean: 2σ(z) − 1"


def attention_sheet(
    image: Array, answers: Sequence[str], people: Mapping[str, Array], maps: Mapping[str, Array]
) -> Figure:
    """Draws a row for people and one for each method, a column for each answer.

    Maps of different methods only compare after a sigmoid of their standardised values (the paper's §3.1); what is
    shown is 2σ(z) − 1, so that the mean of a map is white and what lies below it stays so.

    Args:
        image: (H, W, 3) in [0, 1].
        answers: T ≥ 1 of them.
        people: who they are → (h, w) ≥ 0, the mean of everyone's.
        maps: name of a method → (T, h′, w′) ≥ 0.
    """
    shown = {who: squashed(looked[None].repeat(len(answers), 0)) for who, looked in people.items()}
    shown |= {name: squashed(soften(np.ascontiguousarray(values, np.float32))) for name, values in maps.items()}
    return comparison(image, answers, shown, dict.fromkeys(shown, False), same_range=True, quantity=ABOVE)


def squashed(maps: Array) -> Array:
    """Gives 2σ(z) − 1 = tanh(z / 2) of the standardised maps (T, h, w): in (−1, 1)."""
    _, normal = standardised(maps.reshape(len(maps), -1).astype(float))
    return np.tanh(normal / 2).reshape(maps.shape)
