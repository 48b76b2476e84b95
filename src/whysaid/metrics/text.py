"""BLEU, ROUGE-L and CIDEr as the COCO evaluation computes them (Chen et al. 2015), by pycocoevalcap."""

from collections.abc import Iterable
from typing import Any

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from whysaid.metrics.score import Hypotheses, References, Score

ALONE = "0 by construction: with one image alone, every word is in all images and has no weight"
"""What stands beside a CIDEr of one image."""


class BLEU:
    """BLEU-1 … BLEU-4 (Papineni et al. 2002), corpus level, closest reference length; 0–1."""

    names = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        corpora, per_image = Bleu(4).compute_score(*_aligned(hypotheses, references), verbose=0)
        pairs = zip(self.names, corpora, per_image, strict=True)
        return {name: _score(corpus, hypotheses, scores) for name, corpus, scores in pairs}


class ROUGEL:
    """ROUGE-L (Lin 2004): F-measure of the longest common subsequence, β = 1.2, mean over images; 0–1."""

    names = ("ROUGE-L",)

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        corpus, per_image = Rouge().compute_score(*_aligned(hypotheses, references))
        return {"ROUGE-L": _score(corpus, hypotheses, per_image)}


class CIDEr:
    """CIDEr-D as papers report it (Vedantam et al. 2015), mean over images; 0–10 (0.907 where papers print 90.7).

    Document frequencies are those of the references given, so the score depends on which images are scored together. Of
    one image alone every n-gram is in all images, so that its weight log(1 / 1) is 0, and so is the score.
    """

    names = ("CIDEr",)

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        corpus, per_image = Cider().compute_score(*_aligned(hypotheses, references))
        score = _score(corpus, hypotheses, per_image)
        return {"CIDEr": score if len(hypotheses) > 1 else score._replace(note=ALONE)}


def _aligned(hypotheses: Hypotheses, references: References) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    return {i: list(references[i]) for i in hypotheses}, {i: [caption] for i, caption in hypotheses.items()}


def _score(corpus: Any, ids: Iterable[int], per_image: Iterable[Any]) -> Score:
    return Score(float(corpus), {i: float(value) for i, value in zip(ids, per_image, strict=True)})
