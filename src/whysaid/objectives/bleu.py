"""BLEU-4 (Papineni et al. 2002) of single samples, over vocabulary indices.

B images, n samples of each, K references of each.
"""

import numpy as np
from numpy.typing import NDArray

from whysaid.data.captions.document_frequency import MAX_ORDER
from whysaid.objectives.ngrams import lengths, matches
from whysaid.objectives.references import Sampled
from whysaid.objectives.reward import Reward

_TINY, _SMALL = 1e-15, 1e-9  # the COCO evaluation's own, which keep a caption without any 4-gram in common above 0


class BLEU4(Reward):
    """Geometric mean of the clipped precisions of orders 1 to 4, with the penalty of the closest reference's length.

    As the COCO evaluation scores one caption; `<end>` is a word on both sides.
    """

    def __call__(self, sampled: Sampled) -> NDArray[np.float64]:
        """Gives rewards (B, n) in 0 … 1."""
        written = lengths(sampled.tokens)
        product = np.ones(written.shape)
        for order, (own, in_references) in enumerate(matches(sampled.tokens, sampled.references)):
            most = in_references.max(2)
            correct = (np.minimum(own, most) / np.maximum(own, 1)).sum(-1)
            product *= (correct + _TINY) / (np.maximum(written - order, 0) + _SMALL)
        ratio = (written + _TINY) / (self._closest(written, lengths(sampled.references)) + _SMALL)
        penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
        return product ** (1 / MAX_ORDER) * penalty

    @staticmethod
    def _closest(written: NDArray[np.intp], wanted: NDArray[np.intp]) -> NDArray[np.intp]:
        """Length (B, n) of the reference (B, K) nearest to each sample's, the shorter of two."""
        real = np.where(wanted > 0, wanted, np.iinfo(np.int32).max)
        ordered = np.sort(real, axis=1)[:, None]
        nearest = np.abs(ordered - written[..., None]).argmin(-1)
        return np.take_along_axis(ordered.repeat(written.shape[1], 1), nearest[..., None], -1)[..., 0]
