from dataclasses import dataclass

import pytest
import torch

from tests.decoding.tiny import Markov, Recurrent, photos, tables
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.decoding.beam import Beam
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.ensemble import Ensemble, EnsembleFeatures
from whysaid.models.gridtd import GridTD
from whysaid.models.word_captioner import Features

WORDS = Vocabulary([*SPECIALS, *"abcdef"])
V = len(WORDS)


@dataclass
class Stub:
    """Stands for a preprocessing."""

    size: int = 8


def prepared(captioner: Captioner, size: int = 8, dim: int = 6) -> Captioner:
    captioner.encoder.preprocessing, captioner.encoder.dim = Stub(size), dim
    return captioner.eval()


def ensemble(*captioners: Captioner) -> Ensemble:
    return Ensemble([prepared(c) for c in captioners], [WORDS] * len(captioners))


def encoder(dim: int) -> torch.nn.Module:
    module = torch.nn.Identity()
    module.dim, module.preprocessing = dim, Stub()
    return module


def test_two_of_the_same_are_the_one():
    captioner, features = Recurrent(V), photos(8)
    both = ensemble(captioner, captioner)
    pair = EnsembleFeatures((features, features))
    for decoder in (Greedy(), Beam(3)):
        single, double = decoder(captioner, features), decoder(both, pair)
        assert torch.equal(single.tokens, double.tokens)
        torch.testing.assert_close(single.log_probs, double.log_probs)


@torch.no_grad()
def test_two_give_the_mean_of_their_probabilities():
    first, second = Markov(V), Recurrent(V)
    own = (tables(4, V), photos(4))
    both, pair = ensemble(first, second), EnsembleFeatures(own)
    tokens, state = torch.tensor([1, 1, 1, 1]), both.start(pair)
    states = [first.start(own[0]), second.start(own[1])]
    for _ in range(4):
        step = both.step(tokens, state, pair)
        alone = [c.step(tokens, s, f) for c, s, f in zip((first, second), states, own, strict=True)]
        mean = sum(s.logits.softmax(-1) for s in alone) / 2
        torch.testing.assert_close(step.logits.exp(), mean)
        torch.testing.assert_close(step.attention.sum(1), torch.ones(4, dtype=torch.float64))
        tokens, state, states = mean.argmax(1), step.state, [s.state for s in alone]


@torch.no_grad()
def test_members_of_two_widths_with_sentinels_decode_from_images_and_regions():
    torch.manual_seed(0)
    members = [GridTD(encoder(5), V, 4, hidden, 3).eval() for hidden in (6, 8)]
    both = Ensemble(members, [WORDS] * 2)
    regions = torch.randn(3, 7, 5)
    features = both.features(CaptionBatch(torch.arange(3), torch.zeros(3, 1, 2, dtype=torch.int64), regions=regions))
    assert len(features) == 3
    decoded = Beam(2, max_length=5)(both, features)
    assert decoded.tokens.shape[:2] == (3, 2)
    step = both.step(torch.tensor([1, 1, 1]), both.start(features), features)
    torch.testing.assert_close(step.attention.sum(1) + step.sentinel, torch.ones(3))


def test_encodes_with_every_member():
    class Encoded(Recurrent):
        def encode(self, images: torch.Tensor) -> Features:
            return photos(len(images))

    features = ensemble(Encoded(V), Encoded(V)).encode(torch.zeros(5, 3, 8, 8))
    assert len(features.members) == 2 and len(features) == 5


def test_other_words_are_refused():
    other = Vocabulary([*SPECIALS, *"abcdfe"])
    with pytest.raises(UserError, match="captioner 2 has another vocabulary"):
        Ensemble([prepared(Recurrent(V)), prepared(Recurrent(V))], [WORDS, other])


def test_another_preprocessing_is_refused():
    with pytest.raises(UserError, match="captioner 2 has another preprocessing"):
        Ensemble([prepared(Recurrent(V)), prepared(Recurrent(V), size=9)], [WORDS, WORDS])


def test_nobody_is_refused():
    with pytest.raises(UserError, match="at least one"):
        Ensemble([], [])
