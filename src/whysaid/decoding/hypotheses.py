"""Partial and finished captions of beam search.

b images, K hypotheses per image, t words so far, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from whysaid.data.vocabulary import END, PAD


class Hypotheses(NamedTuple):
    """tokens (b, K, t) int64; log_probs (b, K) of the captioner; scores (b, K), −inf where there is no hypothesis."""

    tokens: Tensor
    log_probs: Tensor
    scores: Tensor

    def take(self, places: Tensor) -> "Hypotheses":
        """The hypotheses at places (b, J) of each image."""
        tokens = self.tokens.take_along_dim(places[:, :, None], 1)
        return Hypotheses(tokens, self.log_probs.gather(1, places), self.scores.gather(1, places))

    def last_words(self) -> Tensor:
        """Last words (b, K); `<pad>` where there is no hypothesis."""
        return self.tokens[:, :, -1].masked_fill(self.scores == -torch.inf, PAD)

    def of(self, images: Tensor) -> "Hypotheses":
        """Returns those of images (b',)."""
        return Hypotheses(self.tokens[images], self.log_probs[images], self.scores[images])

    def best(self, number: int) -> "Hypotheses":
        """The best of each image, best first: `number` of them, or all where there are fewer."""
        return self.take(self.scores.topk(min(number, self.scores.shape[1])).indices)


def roots(images: int, like: Tensor) -> Hypotheses:
    """The empty caption of each image, K = 1, on the device of `like`; sums are kept in float32 or better."""
    zeros = like.new_zeros(images, 1, dtype=torch.promote_types(like.dtype, torch.float32))
    return Hypotheses(torch.zeros(images, 1, 0, dtype=torch.int64, device=like.device), zeros, zeros)


def join(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    """Puts both side by side, the shorter tokens padded."""
    length = max(first.tokens.shape[2], second.tokens.shape[2])
    tokens = [pad(h.tokens, (0, length - h.tokens.shape[2]), value=PAD) for h in (first, second)]
    log_probs = torch.cat([first.log_probs, second.log_probs], 1)
    return Hypotheses(torch.cat(tokens, 1), log_probs, torch.cat([first.scores, second.scores], 1))


class Extended(NamedTuple):
    """One step of one beam: live, at most `width` hypotheses; parents (b, K), the place of each one's parent;
    ended, those that have just ended (−inf elsewhere)."""

    live: Hypotheses
    parents: Tensor
    ended: Hypotheses


def extend(live: Hypotheses, log_p: Tensor, ranked_by: Tensor, width: int) -> Extended:
    """Extends every hypothesis by every word.

    `<end>` completes a hypothesis where it makes one of the image's `width` best extensions; the `width` best
    extensions by other words live on.

    Args:
        live: K hypotheses per image.
        log_p: (b, K, V) log-probabilities of the next word.
        ranked_by: (b, K, V) what each word adds to the score; `log_p` itself in plain beam search.
        width: of the beam.
    """
    # Among its image's `width` best with or without `<end>`, a word is among the `width` + 1 best of its own row.
    gains, words = ranked_by.topk(min(width + 1, ranked_by.shape[2]))
    scores = (live.scores[:, :, None] + gains).flatten(1)
    # At most `width` of the extensions are `<end>`, one per row: twice the width holds `width` others.
    scores, places = scores.topk(min(2 * width, scores.shape[1]))
    parents = places // words.shape[2]
    words = words.flatten(1).gather(1, places)
    log_probs = live.log_probs.gather(1, parents) + log_p.flatten(1).gather(1, parents * log_p.shape[2] + words)
    tokens = torch.cat([live.tokens.take_along_dim(parents[:, :, None], 1), words[:, :, None]], 2)
    ends = words == END
    completed = Hypotheses(tokens, log_probs, scores.masked_fill(~ends, -torch.inf))
    going_on = Hypotheses(tokens, log_probs, scores.masked_fill(ends, -torch.inf))
    order = going_on.scores.topk(min(width, scores.shape[1])).indices
    first = Hypotheses(*(part[:, :width] for part in completed))
    return Extended(going_on.take(order), parents.gather(1, order), first)
