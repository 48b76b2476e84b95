"""A captioner set against itself without the picture, as decoders take it.

B images, N rows, image-major, V vocabulary.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from whysaid.data.batch import Pictured
from whysaid.decoding.contrast.absent import Absent
from whysaid.decoding.contrast.pairs import OneForAll, Pairs
from whysaid.models.captioner import Captioner, State, Step, example, repeat, select


class Model(Protocol):
    """A captioner, or an ensemble of them."""

    def featured(self, make: Callable[[Captioner], Any]) -> Any:
        """What `make` gives of the captioner, or of every member as the ensemble's own features."""

    def start(self, features: Any) -> State:
        """The state before the first word."""

    def step(self, tokens: Tensor, state: State, features: Any) -> Step:
        """Takes one word further."""


Judge = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
Plausible = Callable[[Tensor], Tensor]


class Contrasted:
    """Steps with and without the picture, and gives what a rule makes of both as the logits.

    Both are one batch. But where one ∅ stands for all pictures, what is said without a picture depends on the words
    alone: captions that have the same words so far share a row of that branch. And where the rule forbids what is not
    plausible with the picture, a captioner computes the logits without it of plausible words alone. They lack their
    normaliser, as do those with the picture: it is one number for each row, which decoders take off again.

    Args:
        model: a captioner, or an ensemble.
        absent: makes the picture that is none.
        rule: log-probabilities (N, V) with and without the picture, the number of words so far (N, 1), and what `judge`
            says → logits (N, V).
        judge: log-probabilities (N, V) with and without the picture, the words so far (N, t), without `<start>`, and
            what a probe says of the picture (N, K), or None → the words (N, V) that may not come next; None lets all
            come.
        plausible: logits (N, V) with the picture → the words (N, V) to which the rule gives more than −∞ where there
            is no judge; None: all.
    """

    def __init__(
        self,
        model: Model,
        absent: Absent,
        rule: Callable[..., Tensor],
        judge: Judge | None = None,
        plausible: Plausible | None = None,
    ):
        self.model, self.absent, self.rule, self.judge = model, absent, rule, judge
        self.plausible = plausible if judge is None and isinstance(model, Captioner) else None

    def features(self, batch: Pictured) -> Pairs:
        """Features of a batch's pictures and of ∅; each picture is encoded once."""
        pairs: list[Pairs] = []

        def present(captioner: Captioner) -> Any:
            pairs.append(self.absent.pairs(captioner, batch))
            return pairs[-1].present

        own = self.model.featured(present)
        absent = iter(pairs)
        if isinstance(pairs[0].absent, OneForAll):
            return Pairs(own, OneForAll(self.model.featured(lambda captioner: next(absent).absent.features)))
        return Pairs(own, self.model.featured(lambda captioner: next(absent).absent))

    def start(self, features: Pairs) -> State:
        """The states of both branches, and what has been read so far (B, 0)."""
        images = len(features)
        if isinstance(features.absent, OneForAll):
            states = self.model.start(features.present), repeat(self.model.start(features.absent.features), images)
        else:
            states = parted(self.model.start(features.both), images)
        read = torch.zeros(images, 0, dtype=torch.int64, device=example(states[0]).device)
        return *states, read

    def step(self, tokens: Tensor, state: State, features: Pairs) -> Step:
        """Takes one word further: tokens (N,) int64. Attention and sentinel are those with the picture."""
        present, absent, read = state
        words = torch.full_like(tokens[:, None], read.shape[1])
        read = torch.cat([read, tokens[:, None]], 1)
        if isinstance(features.absent, OneForAll):
            own = self.model.step(tokens, present, features.present)
            if self.plausible is not None:
                logits, absent = self._among_plausible(own.logits, words, read, absent, features.absent.features)
                return Step(logits, own.attention, own.sentinel, (own.state, absent, read))
            log_p, (logits, absent) = _log_probs(own.logits), self._without(read, absent, features.absent.features)
            log_p0 = _log_probs(logits)
            seen = own.attention, own.sentinel, own.state
        else:
            logits, attention, sentinel, both = self.model.step(
                tokens.repeat(2), stacked(present, absent), features.both
            )
            log_p, log_p0 = _log_probs(logits).chunk(2)
            present, absent = parted(both, len(tokens))
            seen = attention[: len(tokens)], None if sentinel is None else sentinel[: len(tokens)], present
        forbidden = None
        if self.judge is not None:
            shown = features.shown
            if shown is not None:
                shown = shown.repeat_interleave(len(log_p) // len(shown), 0)
            forbidden = self.judge(log_p, log_p0, read[:, 1:], shown)
        attention, sentinel, present = seen
        return Step(self.rule(log_p, log_p0, words, forbidden), attention, sentinel, (present, absent, read))

    def _among_plausible(
        self, logits: Tensor, words: Tensor, read: Tensor, absent: State, features: Any
    ) -> tuple[Tensor, State]:
        """What the rule makes of logits (N, V), and the state without a picture: all but plausible words get −∞."""
        assert self.plausible is not None
        logits = _exact(logits)
        chosen = self.plausible(logits).any(0).nonzero().squeeze(1)
        without, absent = self._without(read, absent, features, chosen)
        contrasted = self.rule(logits[:, chosen], _exact(without), words, None)
        return torch.full_like(logits, -torch.inf).index_copy_(1, chosen, contrasted), absent

    def _without(self, read: Tensor, state: State, features: Any, *words: Tensor) -> tuple[Tensor, State]:
        """Logits (N, V), or of some words (N, W), without a picture after what was read (N, t), and the state then."""
        unique, place = torch.unique(read, dim=0, return_inverse=True)
        rows = torch.arange(len(read), device=read.device)
        first = rows.new_full((len(unique),), len(read)).scatter_reduce(0, place, rows, "amin")
        step = self.model.step(read[first, -1], select(state, first), features, *words)
        return step.logits[place], select(step.state, place)


def _exact(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype.itemsize < 4 else logits


def _log_probs(logits: Tensor) -> Tensor:
    return torch.log_softmax(_exact(logits), -1)


def stacked(first: State, second: State) -> State:
    """One state of two: the rows of the second behind those of the first."""
    return tuple(
        stacked(one, other) if isinstance(one, tuple) else torch.cat([one, other])
        for one, other in zip(first, second, strict=True)
    )


def parted(state: State, rows: int) -> tuple[State, State]:
    """The first rows of a state, and all behind them, as views."""
    parts = [parted(part, rows) if isinstance(part, tuple) else (part[:rows], part[rows:]) for part in state]
    return tuple(first for first, _ in parts), tuple(second for _, second in parts)
