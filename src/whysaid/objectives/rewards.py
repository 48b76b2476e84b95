"""What a sampled caption is worth: a weighted sum of scores.

B images, n samples of each.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.data.captions.captioned_image import words
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.errors import UserError
from whysaid.metrics.caption_statistics import BAD_ENDINGS
from whysaid.metrics.score import Metric
from whysaid.objectives.ngrams import lengths
from whysaid.objectives.references import References, Sampled, Tokens


class Reward(Protocol):
    """Scores samples one by one."""

    def use(self, data: CaptionData) -> None:
        """Takes what it needs of the training data; before the first call."""

    def __call__(self, sampled: Sampled) -> NDArray[np.float64]:
        """(B, n), larger is better."""
        ...


class RewardTerm(TypedDict):
    """A score and what it counts."""

    weight: float
    score: Reward


class Rewarded(NamedTuple):
    """total: (B, n) weighted sum. terms: name → mean of each score, unweighted."""

    total: NDArray[np.float64]
    terms: dict[str, float]


class Rewards:
    """Σ weight · score, computed on the host after one copy of the tokens.

    Args:
        terms: name → weight and score; those of weight 0 are not computed.
    """

    def __init__(self, terms: Mapping[str, RewardTerm]):
        self.terms = {name: term for name, term in terms.items() if term["weight"]}
        if not self.terms:
            raise UserError("every reward has weight 0: give one of objective.rewards a weight")
        self.references: References | None = None
        self._bad_endings = np.empty(0, np.int32)

    def use(self, data: CaptionData) -> None:
        """Takes references, vocabulary and document frequencies of the training split."""
        self.references = References(data.references("train"), data.vocabulary, data.max_words)
        bad = [data.vocabulary.index[word] for word in BAD_ENDINGS if word in data.vocabulary]
        self._bad_endings = np.array(sorted(bad), np.int32)
        for term in self.terms.values():
            term["score"].use(data)

    def __call__(self, image_ids: Tensor, tokens: Tensor) -> Rewarded:
        """Of captions (B, n, T) of the images (B,); UserError where one has no reference."""
        assert self.references is not None, "call use() with the data first"
        ids = image_ids.tolist()
        sampled = Sampled(ids, tokens.cpu().numpy().astype(np.int32), self.references(ids))
        scores = {name: term["score"](sampled) for name, term in self.terms.items()}
        total = sum(term["weight"] * scores[name] for name, term in self.terms.items())
        assert isinstance(total, np.ndarray)
        return Rewarded(total, {name: float(score.mean()) for name, score in scores.items()})

    def statistics(self, tokens: Tensor) -> dict[str, Tensor]:
        """Of captions (B, n, T): mean words, share that ended, share that ends in a function word."""
        captions: Tokens = tokens.flatten(0, 1).cpu().numpy().astype(np.int32)
        ended = (captions == END).any(-1)
        number = lengths(captions) - ended
        last = np.take_along_axis(captions, np.maximum(number - 1, 0)[:, None], 1)[:, 0]
        bad = np.isin(last, self._bad_endings) & (number > 0)
        found = {"sample_length": number.mean(), "end_rate": ended.mean(), "sample_bad_endings": bad.mean()}
        return {name: torch.tensor(float(value)) for name, value in found.items()}


class MetricReward:
    """Any caption metric that scores single captions, over words; `<end>` is none of them.

    Args:
        metric: of `whysaid.metrics`.
        name: of its score.
    """

    def __init__(self, metric: Metric, name: str):
        if name not in metric.names:
            raise UserError(f"{type(metric).__name__} has no score {name!r}: choose one of {', '.join(metric.names)}")
        self.metric, self.name = metric, name
        self.vocabulary: Vocabulary | None = None

    def use(self, data: CaptionData) -> None:
        """Takes vocabulary and references."""
        self.vocabulary, self.references = data.vocabulary, data.references("train")

    def __call__(self, sampled: Sampled) -> NDArray[np.float64]:
        assert self.vocabulary is not None, "call use() with the data first"
        number = sampled.tokens.shape[1]
        captions = sampled.tokens.reshape(-1, sampled.tokens.shape[2]).tolist()
        hypotheses = {i: " ".join(self.vocabulary.decode(caption)) for i, caption in enumerate(captions)}
        texts = [[" ".join(words(text)) for text in self.references[image]] for image in sampled.ids]
        scores = self.metric(hypotheses, {i: texts[i // number] for i in hypotheses})[self.name].per_image
        if scores is None:
            raise UserError(f"{self.name} does not score single captions: it cannot be a reward")
        return np.array([scores[i] for i in hypotheses]).reshape(-1, number)
