"""ALOHa (Petryk et al. 2024): hallucinated objects of any kind, by the meaning of their names.

N objects of a caption, M objects of its references, D width of the embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from whysaid.metrics.nouns import nouns
from whysaid.metrics.score import Hypotheses, References, Score


class Matched(NamedTuple):
    """An object that a caption names: the object of the references that it was assigned, and how alike they are.

    object: as the caption says it. match: as a reference says it; None where there were fewer of those. score: the
    cosine of their embeddings, in [0, 1].
    """

    object: str
    match: str | None
    score: float


class ALOHa:
    """Objects that no reference names, without a list of words: `ALOHa` is the mean over captions, 0–1, higher better.

    The nouns of a caption are assigned one to one to those of all its references, so that the sum of the cosines of
    their sentence embeddings is the largest; a noun is as well supported as its cosine says, 0 where none is left for
    it, and a caption as its least supported noun (Eq. 2 and 3 of the paper). A caption without nouns has 1: it says
    nothing that is not there, and recall shows it. The paper has a language model find the objects; here a tagger does.

    Args:
        embedder: N texts → (N, D) float vectors of length 1.
    """

    names = ("ALOHa",)

    def __init__(self, embedder: Callable[[Sequence[str]], Tensor]):
        self.embedder = embedder

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        matches = self.matches(hypotheses, references)
        scores = {i: min((matched.score for matched in objects), default=1.0) for i, objects in matches.items()}
        return {"ALOHa": Score(float(np.mean(list(scores.values()))), scores)}

    def matches(self, hypotheses: Hypotheses, references: References) -> dict[int, list[Matched]]:
        """Image id → the objects of its caption, in order, each with its match."""
        named = {i: nouns(caption) for i, caption in hypotheses.items()}
        present = {i: tuple(dict.fromkeys(noun for text in references[i] for noun in nouns(text))) for i in hypotheses}
        vectors = self._vectors([*named.values(), *present.values()])
        return {i: _assigned(named[i], present[i], vectors) for i in hypotheses}

    def _vectors(self, phrases: Sequence[Sequence[str]]) -> dict[str, NDArray[np.floating]]:
        distinct = sorted({phrase for several in phrases for phrase in several})
        return dict(zip(distinct, self.embedder(distinct).double().numpy(), strict=True)) if distinct else {}


def _assigned(
    named: Sequence[str], present: Sequence[str], vectors: Mapping[str, NDArray[np.floating]]
) -> list[Matched]:
    if not named or not present:
        return [Matched(noun, None, 0.0) for noun in named]
    cosines = np.stack([vectors[noun] for noun in named]) @ np.stack([vectors[noun] for noun in present]).T
    matches = dict(zip(*linear_sum_assignment(cosines, maximize=True), strict=True))
    return [
        Matched(noun, present[matches[i]], float(cosines[i, matches[i]].clip(0, 1)))
        if i in matches
        else Matched(noun, None, 0.0)
        for i, noun in enumerate(named)
    ]
