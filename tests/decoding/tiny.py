"""Captioners small enough to be searched exhaustively, and the oracles that search them.

B images, N rows, V words, R regions, H hidden.
"""

from itertools import product

import torch
from torch import Tensor, nn

from whysaid.data.vocabulary import END, PAD, START
from whysaid.models.captioner import Captioner, CellOutput, State
from whysaid.models.word_captioner import Features, WordCaptioner

FIRST_WORD = 3
"""`<unk>` and all after it are words like any other here."""


class Markov(WordCaptioner):
    """Next-word log-probabilities from a table per image: `pooled` (B, V·V), row the word before, column the next."""

    def __init__(self, vocab_size: int):
        super().__init__(nn.Identity(), vocab_size, 1, 1, 0.0)
        self.vocab_size = vocab_size

    def start(self, features: Features) -> State:
        return (features.values[:, 0],)

    def embed(self, tokens: Tensor) -> Tensor:
        return nn.functional.one_hot(tokens, self.vocab_size).double()

    def drive(self, embedded: Tensor) -> Tensor:
        return embedded

    def head(self, output: Tensor) -> Tensor:
        return output

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        tables = features.pooled.view(len(features), self.vocab_size, self.vocab_size)
        output = torch.bmm(word.view(len(features), -1, self.vocab_size), tables).view(-1, self.vocab_size)
        return CellOutput(output, word.new_ones(len(word), 1), None, state)


def tables(images: int, vocab_size: int, seed: int = 0, sharpness: float = 1.0) -> Features:
    """Random tables for `Markov`."""
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(images, vocab_size, vocab_size, generator=generator, dtype=torch.float64)
    blank = torch.zeros(images, 1, 1, dtype=torch.float64)
    return Features(blank, blank, logits.log_softmax(-1).flatten(1))


class Recurrent(WordCaptioner):
    """An LSTM over the word and attended regions, in float64: what it says depends on the image and on all words."""

    def __init__(self, vocab_size: int, dim: int = 6, seed: int = 10):
        torch.manual_seed(seed)
        super().__init__(nn.Identity(), vocab_size, dim, dim, 0.0)
        self.cell = nn.LSTMCell(2 * dim, dim)
        self.to(torch.float64)
        for parameter in self.parameters():
            nn.init.normal_(parameter)
        with torch.no_grad():
            # Strong dependence on the words before, and an <end> within reach: captions end at many lengths.
            self.embedding.weight *= 2
            self.cell.weight_hh *= 2
            self.vocabulary_layer.bias[END] += 2

    def start(self, features: Features) -> State:
        return torch.tanh(features.pooled), torch.zeros_like(features.pooled)

    def drive(self, embedded: Tensor) -> Tensor:
        return embedded

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        query = state[0].view(len(features), -1, state[0].shape[-1])
        scores = query @ features.keys.transpose(1, 2)
        if features.mask is not None:
            scores = scores.masked_fill(~features.mask[:, None], -torch.inf)
        attention = scores.softmax(-1)
        context = (attention @ features.values).flatten(0, 1)
        hidden, memory = self.cell(torch.cat([word, context], -1), state)
        return CellOutput(hidden, attention.flatten(0, 1), None, (hidden, memory))


def photos(images: int, regions: int = 4, dim: int = 6, seed: int = 1) -> Features:
    """Random features for `Recurrent`, a random part of each image's regions masked."""
    generator = torch.Generator().manual_seed(seed)
    values = 3 * torch.randn(images, regions, dim, generator=generator, dtype=torch.float64)
    keys = torch.randn(images, regions, dim, generator=generator, dtype=torch.float64)
    mask = torch.rand(images, regions, generator=generator) < 0.6
    mask[:, 0] = True
    return Features(values, keys, values.mean(1), mask)


def features_of(features: Features, image: int) -> Features:
    """The features of one image, as a batch of one."""
    row = slice(image, image + 1)
    mask = None if features.mask is None else features.mask[row]
    return Features(features.values[row], features.keys[row], features.pooled[row], mask)


@torch.no_grad()
def rescored(captioner: Captioner, features: Features, tokens: Tensor) -> Tensor:
    """Log-probabilities (B, n) of tokens (B, n, T) under teacher forcing."""
    rows = tokens.flatten(0, 1)
    inputs = torch.cat([torch.full_like(rows[:, :1], START), rows[:, :-1]], 1)
    log_p = captioner.unroll(inputs, features).logits.log_softmax(-1)
    of_words = log_p.gather(2, rows[:, :, None]).squeeze(2)
    return of_words.masked_fill(rows == PAD, 0).sum(1).view(tokens.shape[:2])


def every_caption(vocab_size: int, max_length: int) -> list[tuple[int, ...]]:
    """All captions of up to `max_length` tokens: ended, or of exactly that length and not ended."""
    words = range(FIRST_WORD, vocab_size)
    ended = [(*p, END) for length in range(max_length) for p in product(words, repeat=length)]
    return ended + list(product(words, repeat=max_length))


def padded(captions: list[tuple[int, ...]], length: int) -> Tensor:
    """(n, length) int64."""
    return torch.tensor([[*caption, *[PAD] * (length - len(caption))] for caption in captions])


@torch.no_grad()
def next_log_probs(captioner: Captioner, features: Features, words: tuple[int, ...]) -> list[float]:
    """Log-probabilities of the word after `words`, for one image, by teacher forcing from `<start>`."""
    log_p = captioner.unroll(torch.tensor([[START, *words]]), features).logits[0, -1].log_softmax(-1)
    log_p[[PAD, START]] = -torch.inf
    return log_p.tolist()


def loop_search(
    captioner: Captioner, features: Features, width: int, groups: int = 1, penalty: float = 0.0, max_length: int = 20
) -> list[list[tuple[float, tuple[int, ...]]]]:
    """(Diverse) beam search of one image in plain loops: the finished and unended captions of each group, best first.

    No early stop and no length penalty: the oracle of `search`.
    """
    live: list[list[tuple[float, tuple[int, ...]]]] = [[(0.0, ())] for _ in range(groups)]
    pools: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in range(groups)]
    for _ in range(max_length):
        chosen: list[int] = []
        for group in range(groups):
            candidates = [
                (score + log_p - penalty * chosen.count(word), (*words, word))
                for score, words in live[group]
                for word, log_p in enumerate(next_log_probs(captioner, features, words))
                if log_p > -torch.inf
            ]
            candidates.sort(reverse=True)
            ended = [c for c in candidates[:width] if c[1][-1] == END]
            live[group] = [c for c in candidates if c[1][-1] != END][:width]
            pools[group] += ended
            chosen += [words[-1] for _, words in ended + live[group]]
    return [sorted(pools[group] + live[group], reverse=True)[:width] for group in range(groups)]
