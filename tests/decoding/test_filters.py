from functools import partial
from itertools import pairwise

import pytest
import torch

from tests.decoding.tiny import Recurrent, photos, rescored
from whysaid.data.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary
from whysaid.decoding.beam import Beam
from whysaid.decoding.decoder import with_vocabulary, word_log_probs
from whysaid.decoding.diverse_beam import DiverseBeam
from whysaid.decoding.filters import MinimumLength, NoBadEnding, NoRepeat, NoRepeatedNgram, NoUnknown
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.sampling import Multinomial
from whysaid.errors import UserError

V = 10
VOCABULARY = Vocabulary([*SPECIALS, "a", "man", "on", "the", "horse", "rides"])


def forbidden(forbid, tokens: list[list[int]]) -> list[set[int]]:
    """The words that a filter masks after each caption; the others must keep their value."""
    log_p = torch.randn(len(tokens), V, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    before = log_p.clone()
    after = forbid(log_p, torch.tensor(tokens, dtype=torch.int64).view(len(tokens), -1))
    masked = after == -torch.inf
    assert torch.equal(after[~masked], before[~masked])
    return [set(row.nonzero().flatten().tolist()) for row in masked]


def test_no_repeat():
    assert forbidden(NoRepeat(), [[4, 5], [5, 4]]) == [{5}, {4}]
    assert forbidden(NoRepeat(), [[], []]) == [set(), set()]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_no_repeated_ngram_against_a_loop(n):
    generator = torch.Generator().manual_seed(n)
    repeated = 0
    for length in range(8):
        tokens = torch.randint(4, 6, (20, length), generator=generator).tolist()
        expected = []
        for row in tokens:
            said = [tuple(row[i : i + n]) for i in range(length - n + 1)]
            expected.append({w for w in range(V) if (*row[len(row) - n + 1 :], w)[-n:] in said and length >= n})
        assert forbidden(NoRepeatedNgram(n), tokens) == expected
        repeated += sum(map(len, expected))
    assert repeated > 10


def test_no_unknown():
    assert forbidden(NoUnknown(), [[4], [UNK]]) == [{UNK}] * 2


def test_minimum_length():
    assert forbidden(MinimumLength(2), [[4]]) == [{END}]
    assert forbidden(MinimumLength(2), [[4, 5]]) == [set()]


def test_no_bad_ending():
    forbid = NoBadEnding(["a", "the", "absent"], VOCABULARY)
    assert forbidden(forbid, [[5, 4], [4, 5], [6, 7]]) == [{END}, set(), {END}]
    assert forbidden(forbid, [[]]) == [set()]


def test_a_row_that_loses_every_word_ends():
    def nothing(log_p, tokens):
        log_p[0] = -torch.inf
        return log_p

    logits = torch.randn(2, V)
    log_p = word_log_probs(logits, torch.zeros(2, 0, dtype=torch.int64), [nothing])
    expected = logits.log_softmax(-1)
    assert log_p[0, END] == expected[0, END] and (log_p[0] > -torch.inf).sum() == 1
    assert (log_p[1] == -torch.inf).nonzero().flatten().tolist() == [PAD, START]


@pytest.mark.parametrize(
    "build", [Greedy, partial(Multinomial, samples=4), partial(Beam, 4), partial(DiverseBeam, 2, 2, 0.5)]
)
def test_every_decoder_obeys_and_keeps_the_captioners_log_probs(build):
    torch.manual_seed(0)
    bad = ["man", "horse"]
    captioner, features = Recurrent(V), photos(20)
    free = build(max_length=8)(captioner, features).tokens
    filters = (NoUnknown(), NoRepeatedNgram(2), MinimumLength(3), NoBadEnding(bad, VOCABULARY))
    decoded = build(filters=filters, max_length=8)(captioner, features)
    torch.testing.assert_close(decoded.log_probs, rescored(captioner, features, decoded.tokens))
    assert any(map(violates, free.flatten(0, 1).tolist()))
    assert not any(map(violates, decoded.tokens.flatten(0, 1).tolist()))


def violates(row: list[int]) -> bool:
    words = [w for w in row if w != PAD]
    pairs = list(pairwise(words))
    ends = END in words
    return UNK in words or len(set(pairs)) < len(pairs) or (ends and (len(words) < 4 or words[-2] in (5, 8)))


def test_vocabulary_closes_the_filters_left_open():
    open_filter = partial(NoBadEnding, words=["a"])
    decoder = with_vocabulary(Beam(4, filters=[NoUnknown(), open_filter]), VOCABULARY)
    assert isinstance(decoder, Beam) and decoder.width == 4
    assert isinstance(decoder.filters[0], NoUnknown) and decoder.filters[1].indices.tolist() == [4]
    assert decoder._search.filters == decoder.filters


def test_impossible_ngrams_are_refused():
    with pytest.raises(UserError):
        NoRepeatedNgram(0)
