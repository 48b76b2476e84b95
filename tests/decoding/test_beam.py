import pytest
import torch

from tests.decoding.tiny import (
    Markov,
    Recurrent,
    every_caption,
    features_of,
    loop_search,
    padded,
    photos,
    rescored,
    tables,
)
from whysaid.data.vocabulary import PAD
from whysaid.decoding.beam import Beam
from whysaid.decoding.decoder import Decoded
from whysaid.decoding.filters import NoRepeatedNgram, NoUnknown
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.length_penalty import Average, Wu, unpenalised
from whysaid.errors import UserError
from whysaid.models.word_captioner import Features

PENALTIES = [None, Wu(0.8), Average()]


def captions(decoded: Decoded, image: int) -> list[tuple[int, ...]]:
    return [tuple(w for w in row if w != PAD) for row in decoded.tokens[image].tolist()]


def same(first: Decoded, second: Decoded) -> None:
    width = max(first.tokens.shape[2], second.tokens.shape[2])
    a, b = (torch.nn.functional.pad(d.tokens, (0, width - d.tokens.shape[2]), value=PAD) for d in (first, second))
    assert torch.equal(a, b)
    torch.testing.assert_close(first.log_probs, second.log_probs)
    torch.testing.assert_close(first.scores, second.scores)


@pytest.mark.parametrize("filters", [(), (NoRepeatedNgram(2), NoUnknown())])
def test_width_one_is_greedy(filters):
    captioner, features = Recurrent(12), photos(30)
    same(Beam(1, filters=filters)(captioner, features), Greedy(filters=filters)(captioner, features))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_beam_as_wide_as_the_tree_finds_the_best_captions_of_all(penalty):
    vocab_size, length, images = 7, 4, 3  # four words: <unk> and three more
    captioner, features = Recurrent(vocab_size), photos(images)
    everything = every_caption(vocab_size, length)
    tokens = padded(everything, length)
    width = len(everything)
    decoded = Beam(width, penalty, max_length=length)(captioner, features)
    for image in range(images):
        log_probs = rescored(captioner, features_of(features, image), tokens[None])[0]
        lengths = (tokens != PAD).sum(1).tolist()
        rank = penalty or unpenalised
        scores = torch.stack([rank(p, n) for p, n in zip(log_probs, lengths, strict=True)])
        order = scores.argsort(descending=True)
        assert captions(decoded, image) == [everything[i] for i in order.tolist()]
        torch.testing.assert_close(decoded.scores[image], scores[order])
        torch.testing.assert_close(decoded.log_probs[image], log_probs[order])


@pytest.mark.parametrize("width", [2, 3, 5])
def test_agrees_with_plain_loops(width):
    captioner, features = Recurrent(10), photos(8)
    decoded = Beam(width, max_length=6)(captioner, features)
    for image in range(8):
        (expected,) = loop_search(captioner, features_of(features, image), width, max_length=6)
        assert captions(decoded, image) == [words for _, words in expected]
        torch.testing.assert_close(decoded.scores[image], torch.tensor([s for s, _ in expected], dtype=torch.float64))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_any_batch_gives_what_its_images_give_alone(penalty):
    captioner, features = Recurrent(10), photos(20)
    decoder = Beam(3, penalty, max_length=8)
    decoded = decoder(captioner, features)
    for image in range(20):
        alone = decoder(captioner, features_of(features, image))
        same(alone, Decoded(*(part[image : image + 1] for part in (decoded.tokens, decoded.log_probs, decoded.scores))))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_early_stop_changes_nothing(penalty):
    captioner, features = Recurrent(10), photos(20)
    early, late = Beam(3, penalty, max_length=9), Beam(3, penalty, max_length=9)
    late._search._undecided = lambda live, finished: torch.ones(len(live[0].scores), dtype=torch.bool)
    same(early(captioner, features), late(captioner, features))


def test_stops_as_soon_as_no_live_hypothesis_can_win():
    features = tables(4, 6, sharpness=0.1)
    features.pooled.view(4, 6, 6)[:, :, 2] += 20  # <end> is nearly certain at once
    captioner, steps = Markov(6), []
    advance = captioner.advance
    captioner.advance = lambda *a: steps.append(len(a[0])) or advance(*a)
    Beam(1)(captioner, features)
    assert steps == [4]


def test_images_that_are_done_leave_the_batch():
    features = tables(4, 6, sharpness=0.1)
    features.pooled.view(4, 6, 6)[:3, :, 2] += 20
    features.pooled.view(4, 6, 6)[3, :, 2] = -20
    captioner, rows = Markov(6), []
    advance = captioner.advance
    captioner.advance = lambda *a: rows.append(len(a[0])) or advance(*a)
    Beam(1, max_length=3)(captioner, features)
    assert rows == [4, 1, 1]


def test_log_probs_are_those_of_teacher_forcing():
    captioner, features = Recurrent(10), photos(8)
    decoded = Beam(4, Wu(0.6))(captioner, features)
    torch.testing.assert_close(decoded.log_probs, rescored(captioner, features, decoded.tokens))


def test_never_worse_than_greedy_when_it_keeps_everything():
    captioner, features = Markov(6), tables(5, 6)
    best = Beam(200, max_length=3)(captioner, features).scores[:, 0]
    greedy = Greedy(max_length=3)(captioner, features).scores[:, 0]
    assert (best >= greedy - 1e-12).all() and (best > greedy + 1e-6).any()


def test_places_without_a_caption_are_empty():
    decoded = Beam(50, max_length=2)(Markov(5), tables(2, 5))
    everything = len(every_caption(5, 2))
    assert (decoded.scores > -torch.inf).sum(1).tolist() == [everything] * 2
    assert (decoded.tokens[:, everything:] == PAD).all() and (decoded.log_probs[:, everything:] == -torch.inf).all()


def test_features_need_not_be_masked():
    features = photos(3)
    open_to_all = Features(features.values, features.keys, features.pooled, torch.ones_like(features.mask))
    unmasked = Features(features.values, features.keys, features.pooled)
    same(Beam(3)(Recurrent(9), open_to_all), Beam(3)(Recurrent(9), unmasked))


@pytest.mark.parametrize(
    "build", [lambda: Beam(0), lambda: Beam(max_length=0), lambda: Beam(2, captions=3), lambda: Wu(-1.0)]
)
def test_impossible_settings_are_refused(build):
    with pytest.raises(UserError):
        build()


@pytest.mark.parametrize("penalty", [None, Wu(0.6), Average()])
@pytest.mark.parametrize("captions", [1, 2])
def test_fewer_captions_are_the_best_of_the_same_search(captions, penalty):
    captioner, features = Markov(6), tables(7, 6)
    everything = Beam(4, penalty, max_length=9)(captioner, features)
    asked_for = Beam(4, penalty, max_length=9, captions=captions)(captioner, features)
    assert asked_for.tokens.shape[1] == captions
    torch.testing.assert_close(asked_for.scores, everything.scores[:, :captions])
    length = asked_for.tokens.shape[2]
    assert torch.equal(asked_for.tokens, everything.tokens[:, :captions, :length])
