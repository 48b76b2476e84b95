"""CIDEr-D (Vedantam et al. 2015) of samples, over vocabulary indices.

B images, n samples of each, K references of each, T words of a caption, o order of an n-gram.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.captions.document_frequency import MAX_ORDER, DocumentFrequencies, ngrams
from whysaid.objectives.ngrams import Counts, lengths, matches, repeats
from whysaid.objectives.references import Sampled, Tokens
from whysaid.objectives.reward import Reward

Floats = NDArray[np.float64]


class CIDErD(Reward):
    """Ten times the mean, over references and orders, of clipped tf-idf cosines under a Gaussian of the lengths.

    Document frequencies are those of the training corpus; `<end>` is a word on both sides.

    Args:
        sigma: width of the Gaussian, words; published: 6.
    """

    frequencies: DocumentFrequencies
    _norms: dict[int, Floats]

    def __init__(self, sigma: float = 6.0):
        self.sigma = sigma

    def prepare(self, data: CaptionData) -> None:
        """Takes the document frequencies of the training corpus, and forgets what was computed with others."""
        self.frequencies, self._norms = data.corpus.document_frequencies, {}

    def __call__(self, sampled: Sampled) -> Floats:
        """Gives rewards (B, n) in 0 … 10."""
        norms, squared = self._reference_norms(sampled), self._idf(sampled.tokens)
        cosines = 0.0
        for order, (own, in_references) in enumerate(matches(sampled.tokens, sampled.references)):
            idf = squared[order]
            norm = np.sqrt((own * idf).sum(-1))  # a word that occurs twice counts tf² idf² once: tf idf² at each place
            clipped = np.multiply(np.minimum(own[:, :, None], in_references), in_references, dtype=np.uint16)
            product = (clipped * (idf / np.maximum(own, 1))[:, :, None]).sum(-1)
            scale = norm[..., None] * norms[:, None, :, order]
            cosines = cosines + np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
        written, wanted = lengths(sampled.tokens), lengths(sampled.references)
        # the published code counts bigrams, so that no caption is shorter than one word
        apart = np.maximum(written, 1)[..., None] - np.maximum(wanted, 1)[:, None]
        number = np.count_nonzero(wanted, axis=-1)[:, None]
        scores: Floats = (cosines * np.exp(-(apart**2) / (2 * self.sigma**2))).sum(-1)
        return 10 / MAX_ORDER * scores / number

    def _idf(self, captions: Tokens) -> list[Floats]:
        """Squared idf of the n-gram at each place of captions (…, T), for each order (…, T − o + 1); idf ≥ 0."""
        packed = [ngrams(captions, order) for order in range(1, MAX_ORDER + 1)]
        # sorted, each once: the table of a large corpus is then read from front to back
        keys, places = np.unique(np.concatenate([part.ravel() for part in packed]), return_inverse=True)
        weights = np.log(self.frequencies.documents) - np.log(np.maximum(self.frequencies(keys), 1))
        ends = np.cumsum([part.size for part in packed])[:-1]
        pieces = np.split(np.square(weights)[places], ends)
        return [piece.reshape(part.shape) for piece, part in zip(pieces, packed, strict=True)]

    def _reference_norms(self, sampled: Sampled) -> Floats:
        """Lengths (B, K, 4) of the references' tf-idf vectors, each image's computed when first needed."""
        new = [row for row, image in enumerate(sampled.ids) if image not in self._norms]
        if new:
            references = sampled.references[new]
            for row, norms in zip(new, self._norm(references, repeats(references)), strict=True):
                self._norms[sampled.ids[row]] = norms[: np.count_nonzero(sampled.references[row, :, 0])]
        norms = np.zeros((*sampled.references.shape[:2], MAX_ORDER))
        for row, image in enumerate(sampled.ids):
            kept = self._norms[image]
            norms[row, : len(kept)] = kept
        return norms

    def _norm(self, captions: Tokens, counts: Sequence[Counts]) -> Floats:
        """Lengths (…, 4) of the tf-idf vectors of captions (…, T), for each order, given `repeats` of them."""
        squared = self._idf(captions)
        return np.sqrt(np.stack([(tf * idf).sum(-1) for tf, idf in zip(counts, squared, strict=True)], -1))
