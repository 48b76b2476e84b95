import pytest
import torch

from tests.decoding.tiny import FIRST_WORD, Markov, Recurrent, photos, rescored, tables
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.sampling import Multinomial, Nucleus, TopK
from whysaid.errors import UserError

V = 8


def first_words(decoder, features) -> torch.Tensor:
    """Counts (B, V) of the first word of each sample."""
    torch.manual_seed(0)
    words = decoder(Markov(V), features).tokens[:, :, 0]
    return torch.stack([row.bincount(minlength=V) for row in words])


def allowed(features) -> torch.Tensor:
    """Probabilities (B, V) of the first word, `<pad>` and `<start>` left out."""
    p = features.pooled.view(-1, V, V)[:, START].exp()
    p[:, [PAD, START]] = 0
    return p / p.sum(1, keepdim=True)


def chi_square(counts: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Per image; over the words of p > 0."""
    expected = p * counts.sum(1, keepdim=True)
    return ((counts - expected) ** 2 / expected.clamp(min=1e-9)).masked_fill(p == 0, 0).sum(1)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_multinomial_frequencies(temperature):
    features = tables(3, V)
    counts = first_words(Multinomial(samples=4000, temperature=temperature, max_length=2), features)
    p = allowed(features) ** (1 / temperature)
    p = p / p.sum(1, keepdim=True)
    assert counts[p == 0].sum() == 0
    assert (chi_square(counts, p) < 20.5).all()  # 99.9 % quantile of five degrees of freedom
    if temperature != 1:
        assert (chi_square(counts, allowed(features)) > 100).all()


def test_second_words_follow_the_first():
    features = tables(1, V)
    torch.manual_seed(0)
    tokens = Multinomial(samples=20000, max_length=2)(Markov(V), features).tokens[0]
    table = features.pooled.view(V, V).exp()
    for word in range(FIRST_WORD, V):
        p = table[word].clone()
        p[[PAD, START]] = 0
        counts = tokens[tokens[:, 0] == word, 1].bincount(minlength=V)
        assert chi_square(counts[None], (p / p.sum())[None]) < 22.5


def test_top_k_draws_the_k_best_in_proportion():
    features = tables(3, V)
    counts = first_words(TopK(3, samples=3000, max_length=1), features)
    p = allowed(features)
    worst_kept = p.topk(3).values[:, -1:]
    p = p.masked_fill(p < worst_kept, 0)
    assert torch.equal(counts > 0, p > 0)
    assert (chi_square(counts, p / p.sum(1, keepdim=True)) < 13.9).all()


def test_top_k_wider_than_the_vocabulary_is_multinomial():
    features = tables(3, V)
    counts = first_words(TopK(100, samples=3000, max_length=1), features)
    assert (chi_square(counts, allowed(features)) < 20.5).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_nucleus_is_the_fewest_words_that_reach_p(p):
    features = tables(3, V)
    counts = first_words(Nucleus(p, samples=4000, max_length=1), features)
    for row, count in zip(allowed(features).tolist(), counts, strict=True):
        nucleus, mass = set(), 0.0
        for word in sorted(range(V), key=lambda w: -row[w]):
            if mass < p:
                nucleus.add(word)
                mass += row[word]
        assert set(count.nonzero().flatten().tolist()) == nucleus
        kept = torch.tensor([[row[w] / mass if w in nucleus else 0.0 for w in range(V)]])
        assert chi_square(count[None], kept) < 20.5


@pytest.mark.parametrize(
    "decoder", [Multinomial(samples=5, temperature=0.7), TopK(4, samples=5), Nucleus(0.8, samples=5)]
)
def test_log_probs_are_the_captioners_own(decoder):
    torch.manual_seed(0)
    captioner, features = Recurrent(9), photos(6)
    decoded = decoder(captioner, features)
    assert decoded.tokens.shape[:2] == (6, 5)
    torch.testing.assert_close(decoded.log_probs, rescored(captioner, features, decoded.tokens))
    assert (decoded.scores.diff(dim=1) <= 0).all()
    ended = (decoded.tokens == END).cumsum(-1)
    assert torch.equal(decoded.tokens == PAD, (ended - (decoded.tokens == END).long()) > 0)


def test_a_seed_fixes_the_samples():
    captioner, features = Recurrent(9), photos(4)
    torch.manual_seed(3)
    first = Multinomial(samples=3)(captioner, features).tokens
    torch.manual_seed(3)
    assert torch.equal(first, Multinomial(samples=3)(captioner, features).tokens)
    third = Multinomial(samples=3)(captioner, features).tokens
    assert first.shape != third.shape or not torch.equal(first, third)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Multinomial(temperature=0.0),
        lambda: Multinomial(samples=0),
        lambda: TopK(0),
        lambda: Nucleus(0.0),
        lambda: Nucleus(1.5),
    ],
)
def test_impossible_settings_are_refused(build):
    with pytest.raises(UserError):
        build()
