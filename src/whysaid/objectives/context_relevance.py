"""Logits reweighted by the relevance of what the vocabulary layer reads: context-LRP of Sun et al. 2022.

N rows, M explained words, H width of an output, V vocabulary.
"""

import torch
from torch import Tensor

from whysaid.models.captioner import Captioner
from whysaid.models.relevance import stabilised
from whysaid.objectives.explained_words import ExplainedWords
from whysaid.objectives.objective import Logs


class ContextRelevance:
    """p̂ = W(ω_c ⊙ ĉ + ω_h ⊙ h) for words that are no stop words, p = W(ĉ + h) for the others.

    ω = 1 + R / max|R| in [0, 2], a constant in the backward, R being the relevance of ĉ, or of h, for the logit of the
    most probable word, by one ε-step through the vocabulary layer and one through the sum. Of the soft captioner the
    parts are L_z z and L_h h; the word's own share stays as it is.

    Args:
        epsilon: of the ε-rule, in logits; paper: 0.01.
    """

    def __init__(self, epsilon: float = 0.01):
        self.epsilon = epsilon

    def __call__(self, captioner: Captioner, explained: ExplainedWords) -> tuple[Tensor, Logs]:
        """Gives p̂ (M, V) of the explained words, and scalars to log."""
        reading, rows = explained.reading, explained.rows
        output, parts = reading.output[rows], tuple(part[rows] for part in reading.parts)
        weights = self.weights(captioner, output, parts, explained.words)
        spread = (
            torch.stack([weight.std(-1).mean() for weight in weights]).mean() if len(output) else output.new_zeros(())
        )
        return captioner.head(reweighted(output, parts, weights)), {"relevance_spread": spread}

    def weights(self, captioner: Captioner, output: Tensor, parts: tuple[Tensor, ...], words: Tensor) -> list[Tensor]:
        """Gives ω (…, H) of each part of the outputs (…, H) for words (…); 1 where relevance is 0 or not finite."""
        layer = captioner.vocabulary_layer
        with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
            total = output.to(layer.weight.dtype)
            weight = layer.weight[words]
            logit = (total * weight).sum(-1, keepdim=True) + layer.bias[words].unsqueeze(-1)
            ratio = weight * logit / stabilised(logit, self.epsilon) * total / stabilised(total, self.epsilon)
            return [_around_one(part.to(ratio) * ratio) for part in parts]

    def logits(self, captioner: Captioner, output: Tensor, parts: tuple[Tensor, ...], content: Tensor) -> Tensor:
        """Gives p̂ (…, V), each for its own most probable word.

        Args:
            captioner: whose vocabulary layer is explained.
            output: (…, H) what that layer reads.
            parts: (…, H) each, summands of `output`.
            content: (V,) bool, the words that are explained.
        """
        words = captioner.head(output).detach().argmax(-1)
        explained = content.to(words.device)[words].unsqueeze(-1)
        weights = self.weights(captioner, output, parts, words)
        return captioner.head(reweighted(output, parts, [torch.where(explained, w, 1.0) for w in weights]))


def _around_one(relevance: Tensor) -> Tensor:
    """Gives 1 + R / max|R| over the last dimension; 1 where max|R| is 0 or not finite."""
    largest = relevance.abs().amax(-1, keepdim=True)
    usable = (largest > 0) & largest.isfinite()
    return torch.where(usable, 1 + relevance / torch.where(usable, largest, 1.0), 1.0)


def reweighted(output: Tensor, parts: tuple[Tensor, ...], weights: list[Tensor]) -> Tensor:
    """Multiplies each of the parts (…, H), summands of the output (…, H), by its weights (…, H)."""
    for part, weight in zip(parts, weights, strict=True):
        output = output + (weight - 1) * part
    return output
