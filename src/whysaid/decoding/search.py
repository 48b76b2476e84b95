"""Beam search over groups of beams; plain beam search has one group.

B batch, G groups, K live hypotheses per group, b images still in the batch, N = b·G·K rows, V vocabulary.

A hypothesis that ends leaves its beam for the group's pool of finished ones, with its length-penalised score, and the
beam stays at its width of live hypotheses. An image is done when no live one can still beat the last of the best
finished ones that are asked for. Those that have not ended after `max_length` tokens compete as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from whysaid.data.vocabulary import PAD, START
from whysaid.decoding.decoder import Decoded, Filter, Stepper, word_log_probs
from whysaid.decoding.hypotheses import Hypotheses, extend, join, roots
from whysaid.decoding.length_penalty import LengthPenalty
from whysaid.decoding.shrink import keep_images, survivors
from whysaid.errors import UserError
from whysaid.models.captioner import example, repeat, select


@dataclass
class Search:
    """What a search is made of.

    Args:
        width: K, hypotheses of each group.
        groups: G.
        diversity: λ ≥ 0, subtracted for each time that an earlier group has chosen the word at this step.
        length_penalty: from sums of scores to what finished hypotheses are ranked by.
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden.
        captions: returned for each group, at most `width`; an image is done when these can no longer change.
    """

    width: int
    groups: int
    diversity: float
    length_penalty: LengthPenalty
    max_length: int
    filters: Sequence[Filter]
    captions: int

    def __post_init__(self) -> None:
        if min(self.width, self.groups, self.max_length) < 1:
            raise UserError("decoding.width, decoding.groups and decoding.max_length: set each to at least 1")
        if not 1 <= self.captions <= self.width:
            raise UserError(
                f"decoding.captions is {self.captions}: set it to between 1 and decoding.width ({self.width})"
            )
        if self.diversity < 0:
            raise UserError(f"decoding.penalty is {self.diversity}: set it to 0 or more")

    def __call__(self, captioner: Stepper, features: Any) -> Decoded:
        """Features of B images → Decoded with n = G·`captions`."""
        state = repeat(captioner.start(features), self.groups)
        like = example(state)
        live = [roots(len(features), like) for _ in range(self.groups)]
        finished = [h.best(0) for h in live]
        images = torch.arange(len(features), device=like.device)
        decoded = self._empty(live[0])
        words = torch.full((len(like),), START, device=images.device)
        for length in range(1, self.max_length + 1):
            logits, _, _, state = captioner.step(words, state, features)
            live, parents, ended = self._extend(live, logits)
            finished = [
                join(f, self._ranked(e, length)).best(self.captions) for f, e in zip(finished, ended, strict=True)
            ]
            kept = survivors(self._undecided(live, finished))
            if kept is not None:
                self._write(decoded, images, live, finished, length)
                if len(kept) == 0:
                    return decoded.trimmed()
                images, features, parents = images[kept], keep_images(features, kept), parents[kept]
                live, finished = [h.of(kept) for h in live], [h.of(kept) for h in finished]
            state = select(state, parents.flatten())
            words = torch.cat([h.tokens[:, :, -1] for h in live], 1).flatten()
        self._write(decoded, images, live, finished, self.max_length)
        return decoded.trimmed()

    def _extend(self, live: list[Hypotheses], logits: Tensor) -> tuple[list[Hypotheses], Tensor, list[Hypotheses]]:
        """Takes one word further in every group: live, the rows (b, G·K) their states come from, just ended."""
        size, old = live[0].scores.shape
        tokens = torch.cat([h.tokens for h in live], 1).flatten(0, 1)
        log_p = word_log_probs(logits, tokens, self.filters).view(size, self.groups, old, -1)
        chosen = tokens.new_zeros(size, 0)
        steps, rows = [], []
        for group, hypotheses in enumerate(live):
            step = extend(hypotheses, log_p[:, group], self._diverse(log_p[:, group], chosen), self.width)
            steps.append(step)
            rows.append(step.parents + group * old)
            chosen = torch.cat([chosen, step.live.last_words(), step.ended.last_words()], 1)
        first = torch.arange(size, device=logits.device)[:, None] * (self.groups * old)
        return [s.live for s in steps], torch.cat(rows, 1) + first, [s.ended for s in steps]

    def _diverse(self, log_p: Tensor, chosen: Tensor) -> Tensor:
        """log_p (b, K, V) less λ for each occurrence of a word in chosen (b, ·): Hamming diversity, Eq. 4 and 5."""
        if self.diversity == 0 or chosen.shape[1] == 0:
            return log_p
        index = chosen[:, None].expand(-1, log_p.shape[1], -1)
        return log_p.scatter_add(2, index, torch.full_like(index, -self.diversity, dtype=log_p.dtype))

    def _ranked(self, hypotheses: Hypotheses, length: int) -> Hypotheses:
        return hypotheses._replace(scores=self.length_penalty(hypotheses.scores, length))

    def _undecided(self, live: list[Hypotheses], finished: list[Hypotheses]) -> Tensor:
        """(b,) bool: images where a live hypothesis, were all its further words certain, would be among the best."""
        undecided = []
        for going_on, pool in zip(live, finished, strict=True):
            reachable = self.length_penalty(going_on.scores.amax(1), self.max_length)
            full = pool.scores.shape[1] == self.captions
            to_beat = pool.scores[:, -1] if full else torch.full_like(reachable, -torch.inf)
            undecided.append(reachable > to_beat)
        return torch.stack(undecided).any(0)

    def _empty(self, like: Hypotheses) -> Decoded:
        size, n = len(like.scores), self.groups * self.captions
        scores = like.scores.new_full((size, n), -torch.inf)
        return Decoded(like.tokens.new_full((size, n, self.max_length), PAD), scores, scores.clone())

    def _write(
        self, decoded: Decoded, images: Tensor, live: list[Hypotheses], finished: list[Hypotheses], length: int
    ) -> None:
        """Writes the best of each group, finished or not, into the rows of `images`."""
        pairs = zip(live, finished, strict=True)
        groups = [join(pool, self._ranked(going_on, length)).best(self.captions) for going_on, pool in pairs]
        best = reduce(join, groups)
        best = best.best(best.scores.shape[1])
        missing = best.scores == -torch.inf
        n = missing.shape[1]
        decoded.tokens[images, :n, :length] = best.tokens.masked_fill(missing[:, :, None], PAD)
        decoded.log_probs[images, :n] = best.log_probs.masked_fill(missing, -torch.inf)
        decoded.scores[images, :n] = best.scores
