"""What a sampled caption is worth: a weighted sum of scores.

B images, n samples of each.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.data.words import words
from whysaid.errors import UserError
from whysaid.metrics.caption_statistics import BAD_ENDINGS
from whysaid.metrics.score import Metric
from whysaid.objectives.ngrams import lengths
from whysaid.objectives.references import PiecesToWords, References, Sampled, Tokens, counted_vocabulary
from whysaid.objectives.reward import Reward


class RewardTerm(TypedDict):
    """A score and how much it counts."""

    weight: float
    score: Reward


class Rewarded(NamedTuple):
    """The rewards of samples.

    Attributes:
        total: (B, n) weighted sum of the scores.
        terms: name → mean of each score, unweighted.
    """

    total: NDArray[np.float64]
    terms: dict[str, float]


class Rewards:
    """Σ weight · score, computed on the host after one copy of the tokens.

    Args:
        terms: name → weight and score; those of weight 0 are not computed.

    Raises:
        UserError: every weight is 0.
    """

    references: References
    _bad_endings: Tokens  # (n,) indices, sorted
    _pieces: PiecesToWords | None = None

    def __init__(self, terms: Mapping[str, RewardTerm]):
        self.terms = {name: term for name, term in terms.items() if term["weight"]}
        if not self.terms:
            raise UserError("every reward has weight 0: give one of objective.rewards a weight")

    def prepare(self, data: CaptionData) -> None:
        """Takes references, vocabulary and document frequencies of the training split."""
        vocabulary = counted_vocabulary(data)
        self._pieces = None if vocabulary is data.vocabulary else PiecesToWords(data.vocabulary, vocabulary)
        self.references = References(data.references("train"), vocabulary, data.max_words)
        bad = [vocabulary.index[word] for word in BAD_ENDINGS if word in vocabulary]
        self._bad_endings = np.array(sorted(bad), np.int32)
        for term in self.terms.values():
            term["score"].prepare(data)

    def __call__(self, image_ids: Tensor, tokens: Tensor) -> Rewarded:
        """Judges captions (B, n, T) of the images (B,). Raises UserError where an image has no reference."""
        ids = image_ids.tolist()
        sampled = Sampled(ids, self._counted(tokens), self.references(ids))
        scores = {name: term["score"](sampled) for name, term in self.terms.items()}
        total = sum(term["weight"] * scores[name] for name, term in self.terms.items())
        assert isinstance(total, np.ndarray)
        return Rewarded(total, {name: float(score.mean()) for name, score in scores.items()})

    def _counted(self, tokens: Tensor) -> Tokens:
        """Takes captions (B, n, T) to the host, as words where they are pieces of these."""
        captions: Tokens = tokens.cpu().numpy().astype(np.int32)
        return captions if self._pieces is None else self._pieces(captions)

    def statistics(self, tokens: Tensor) -> dict[str, Tensor]:
        """Says of captions (B, n, T) how many words they have, and what share ended, and ended in a function word."""
        counted = self._counted(tokens)
        captions: Tokens = counted.reshape(-1, counted.shape[2])
        ended = (captions == END).any(-1)
        number = lengths(captions) - ended
        last = np.take_along_axis(captions, np.maximum(number - 1, 0)[:, None], 1)[:, 0]
        bad = np.isin(last, self._bad_endings) & (number > 0)
        means = {"sample_length": number.mean(), "end_rate": ended.mean(), "sample_bad_endings": bad.mean()}
        return {name: torch.tensor(float(value)) for name, value in means.items()}


class MetricReward(Reward):
    """Any caption metric that scores single captions, over words; `<end>` is none of them.

    Args:
        metric: of `whysaid.metrics`.
        name: of its score.

    Raises:
        UserError: the metric has no score of this name.
    """

    vocabulary: Vocabulary
    captions: Mapping[int, Sequence[str]]

    def __init__(self, metric: Metric, name: str):
        if name not in metric.names:
            raise UserError(f"{type(metric).__name__} has no score {name!r}: choose one of {', '.join(metric.names)}")
        self.metric, self.name = metric, name

    def prepare(self, data: CaptionData) -> None:
        """Takes the vocabulary and the reference captions."""
        self.vocabulary, self.captions = counted_vocabulary(data), data.references("train")

    def __call__(self, sampled: Sampled) -> NDArray[np.float64]:
        """Gives scores (B, n). Raises UserError where the metric scores whole corpora only."""
        number = sampled.tokens.shape[1]
        captions = sampled.tokens.reshape(-1, sampled.tokens.shape[2]).tolist()
        hypotheses = {i: " ".join(self.vocabulary.decode(caption)) for i, caption in enumerate(captions)}
        texts = [[" ".join(words(text)) for text in self.captions[image]] for image in sampled.ids]
        scores = self.metric(hypotheses, {i: texts[i // number] for i in hypotheses})[self.name].per_image
        if scores is None:
            raise UserError(f"{self.name} does not score single captions: it cannot be a reward")
        return np.array([scores[i] for i in hypotheses]).reshape(-1, number)
