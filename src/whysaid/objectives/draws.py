"""Captions drawn at random together with the graph of their log-probabilities.

B images, n captions of each, N = B·n rows, image-major; T words, M words in all captions, H width of an output,
V vocabulary.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.generate import generate
from whysaid.decoding.sampling import Multinomial
from whysaid.models.captioner import Captioner, CellOutput, State, Step, example, repeat, select

Head = Callable[[Tensor, tuple[Tensor, ...]], Tensor]
"""Outputs (…, H) and their parts (…, H) → logits (…, V)."""


class Draws(NamedTuple):
    """Captions and their log-probabilities.

    Attributes:
        tokens: (B, n, T) int64 as decoders give them.
        log_probs: (B, n) ≤ 0, with gradients.
    """

    tokens: Tensor
    log_probs: Tensor


def draw(captioner: Captioner, features: Any, head: Head, sampler: Multinomial) -> Draws:
    """Draws independent captions, each word with its probability.

    The recurrent steps that draw a caption keep their graph, so nothing is read twice. The vocabulary layer, the
    largest part, is run without gradients to draw from, and once more with them on the words of all captions together.

    Args:
        captioner: the model.
        features: of B images.
        head: gives the logits that are drawn from.
        sampler: says how many captions of each image, and how long.
    """
    recorder = _Recorder(captioner, head, sampler.draw)
    generate(recorder, features, recorder.choose, sampler.samples, sampler.max_length, ())
    return recorder.draws(len(features), sampler.samples)


class _Recorder:
    """Steps a captioner for `generate`, and keeps what it steps through.

    Its state is the captioner's, and the rows' numbers: images whose captions are complete leave the batch.

    Args:
        captioner: the model.
        head: gives the logits that are drawn from.
        pick: log-probabilities (N, V) → words (N,).
    """

    def __init__(self, captioner: Captioner, head: Head, pick: Callable[[Tensor], Tensor]):
        self.captioner, self.head, self.pick = captioner, head, pick
        self.cells: list[CellOutput] = []
        self.rows: list[Tensor] = []
        self.live: list[Tensor] = []
        self.words: list[Tensor] = []

    def start(self, features: Any) -> State:
        state = self.captioner.start(features)
        return state, torch.zeros(len(features), dtype=torch.int64, device=example(state).device)

    def step(self, tokens: Tensor, state: State, features: Any) -> Step:
        if not self.rows:
            return self._first_step(tokens, state, features)
        return self._record(tokens, self._advance(tokens, state[0], features), state[1])

    def _first_step(self, tokens: Tensor, state: State, features: Any) -> Step:
        """Steps one row of each image: all its captions begin alike."""
        number = len(tokens) // len(features)
        once = torch.arange(0, len(tokens), number, device=tokens.device)
        cell = self._advance(tokens[once], select(state[0], once), features)
        output, attention, *parts = repeat((cell.output, cell.attention, *cell.parts), number)
        cell = CellOutput(output, attention, None, repeat(cell.state, number), tuple(parts))
        return self._record(tokens, cell, torch.arange(len(tokens), device=tokens.device))

    def _advance(self, tokens: Tensor, state: State, features: Any) -> CellOutput:
        return self.captioner.advance(self.captioner.drive(self.captioner.embed(tokens)), state, features)

    def _record(self, tokens: Tensor, cell: CellOutput, rows: Tensor) -> Step:
        """Keeps a step; only captions that go on get logits, since `generate` gives `<pad>` to the others anyway."""
        live = (tokens != END) & (tokens != PAD)
        self.cells.append(cell)
        self.rows.append(rows)
        self.live.append(live)
        with torch.no_grad():
            going_on = self.head(cell.output[live], tuple(part[live] for part in cell.parts))
            logits = going_on.new_zeros(len(tokens), going_on.shape[1])
            logits[live] = going_on
        return Step(logits, cell.attention, cell.sentinel, (cell.state, rows))

    def choose(self, log_p: Tensor) -> Tensor:
        """Picks the next words (N,) by their log-probabilities (N, V), and keeps them."""
        words = self.pick(log_p)
        self.words.append(words)
        return words

    def draws(self, images: int, number: int) -> Draws:
        """Gives all captions, and their log-probabilities by one pass of the vocabulary layer over their M words."""
        live = torch.cat(self.live)
        rows, words = torch.cat(self.rows)[live], torch.cat(self.words)[live]
        places = torch.cat([torch.full_like(part, t) for t, part in enumerate(self.rows)])[live]
        output = torch.cat([cell.output for cell in self.cells])[live]
        parts = tuple(torch.cat(part)[live] for part in zip(*(cell.parts for cell in self.cells), strict=True))
        # no caption holds <pad> or <start>, the first two indices: their probability falls to the other words
        logits = self.head(output, parts)[:, START + 1 :]
        log_p = -F.cross_entropy(logits, words - (START + 1), reduction="none")
        tokens = torch.full((images * number, len(self.cells)), PAD, device=rows.device)
        tokens[rows, places] = words
        sums = log_p.new_zeros(images * number).index_add(0, rows, log_p)
        return Draws(tokens.view(images, number, -1), sums.view(images, number))
