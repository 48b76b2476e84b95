import pytest
import torch

from tests.decoding.tiny import Markov, Recurrent, features_of, next_log_probs, photos, rescored, tables
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError


def test_takes_the_most_probable_word_until_the_end():
    captioner, features = Recurrent(9), photos(12)
    decoded = Greedy(max_length=7)(captioner, features)
    lengths = set()
    for image in range(12):
        words: tuple[int, ...] = ()
        while len(words) < 7 and END not in words:
            log_p = next_log_probs(captioner, features_of(features, image), words)
            words = (*words, log_p.index(max(log_p)))
        assert [w for w in decoded.tokens[image, 0].tolist() if w != PAD] == list(words)
        lengths.add(len(words))
    assert len(lengths) > 2 and 7 in lengths  # some stopped early, so the batch shrank; some never ended


def test_log_probs_are_those_of_teacher_forcing():
    captioner, features = Recurrent(9), photos(12)
    decoded = Greedy(max_length=7)(captioner, features)
    torch.testing.assert_close(decoded.log_probs, rescored(captioner, features, decoded.tokens))
    assert torch.equal(decoded.scores, decoded.log_probs)


def test_stops_when_all_have_ended():
    features = tables(3, 5)
    table = features.pooled.view(3, 5, 5)
    table[:, :, END] = 5.0
    table[1, START, 4] = 9.0
    decoded = Greedy()(Markov(5), features)
    assert decoded.tokens[:, 0].tolist() == [[END, PAD], [4, END], [END, PAD]]


def test_pad_and_start_are_never_said():
    features = tables(4, 6)
    features.pooled.view(4, 6, 6)[:, :, [PAD, START]] = 9.0
    tokens = Greedy(max_length=5)(Markov(6), features).tokens
    assert START not in tokens
    assert not ((tokens[..., 1:] != PAD) & (tokens[..., :-1] == PAD)).any() and (tokens[..., 0] != PAD).all()


def test_no_gradient_reaches_the_result():
    decoded = Greedy()(Recurrent(9), photos(2))
    assert not decoded.log_probs.requires_grad


def test_length_of_none_is_refused():
    with pytest.raises(UserError, match="max_length"):
        Greedy(max_length=0)
