import pytest
import torch

from tests.decoding.tiny import Recurrent, features_of, loop_search, photos, rescored
from whysaid.data.vocabulary import PAD
from whysaid.decoding.beam import Beam
from whysaid.decoding.diverse_beam import DiverseBeam
from whysaid.errors import UserError


@pytest.mark.parametrize(("groups", "width", "penalty"), [(3, 1, 0.5), (2, 2, 1.5), (4, 3, 0.3)])
def test_agrees_with_plain_loops(groups, width, penalty):
    captioner, features = Recurrent(10), photos(6)
    decoded = DiverseBeam(groups, width, penalty, max_length=5)(captioner, features)
    for image in range(6):
        groups_of_captions = loop_search(captioner, features_of(features, image), width, groups, penalty, max_length=5)
        expected = sorted((c for group in groups_of_captions for c in group), reverse=True)
        scores = torch.tensor([score for score, _ in expected], dtype=torch.float64)
        torch.testing.assert_close(decoded.scores[image], scores)
        captions = [tuple(w for w in row if w != PAD) for row in decoded.tokens[image].tolist()]
        assert sorted(captions) == sorted(words for _, words in expected)


def test_without_penalty_every_group_is_the_beam():
    captioner, features = Recurrent(10), photos(6)
    decoded = DiverseBeam(2, 3, 0.0)(captioner, features)
    beam = Beam(3)(captioner, features)
    torch.testing.assert_close(decoded.scores, beam.scores.repeat_interleave(2, 1))


def test_penalty_makes_captions_differ():
    captioner, features = Recurrent(10), photos(6)
    alike = DiverseBeam(4, 1, 0.0)(captioner, features)
    apart = DiverseBeam(4, 1, 50.0)(captioner, features)
    assert all(len(set(map(tuple, image.tolist()))) == 1 for image in alike.tokens)
    for image in apart.tokens:
        assert image[:, 0].unique().numel() == 4  # no word is so probable that it is worth 50 nats


def test_log_probs_are_the_captioners_own_and_scores_are_not():
    captioner, features = Recurrent(10), photos(6)
    decoded = DiverseBeam(3, 2, 0.7)(captioner, features)
    torch.testing.assert_close(decoded.log_probs, rescored(captioner, features, decoded.tokens))
    coincidences = (decoded.log_probs - decoded.scores) / 0.7
    torch.testing.assert_close(coincidences, coincidences.round(), atol=1e-9, rtol=0)
    assert coincidences.max() > 0


def test_impossible_settings_are_refused():
    for build in (lambda: DiverseBeam(groups=0), lambda: DiverseBeam(penalty=-1.0)):
        with pytest.raises(UserError):
            build()
