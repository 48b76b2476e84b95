from itertools import combinations

import numpy as np
import pytest
import torch

from tests.studies.planted import PATCHES, SIDE, Fixed, Planted, captioned
from whysaid.data.vocabulary import START
from whysaid.errors import UserError
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.common.probability import after_deletion
from whysaid.studies.common.word_maps import RANDOM
from whysaid.studies.word_ablation import CATEGORY, STOP, WordAblation

V, SAID = 12, 11
"""Size of the vocabulary, and the word that is looked at."""

HELPS, HURTS = (4, 5, 6), (7, 8, 9)
"""Words after which `SAID` is more probable, and less; word 10 says nothing of it."""


def captioner() -> Planted:
    words = torch.zeros(V, V)
    words[SAID, list(HELPS)] = torch.tensor([3.0, 2.0, 1.0])
    words[SAID, list(HURTS)] = torch.tensor([-3.0, -2.0, -1.0])
    words[SAID, START] = 5.0  # the best candidate of all, were it one
    return Planted(words, torch.zeros(V, PATCHES))


def truth(sign: float = 1.0):
    weights = captioner().read_words.weight[SAID].detach()
    return Fixed(words=lambda inputs: sign * weights[inputs])


TOKENS = torch.tensor([[4, 7, 10, 5, 8, 6, SAID, 0], [10, 10, 4, 9, 10, SAID, 10, 2]])
CAPTIONS = [["x", "x", "x", "x", "x", "x", "the"], ["x", "x", "x", "x", "x", "ball", "of"]]


def by_hand(tokens: list[int]) -> float:
    model = captioner()
    logits = torch.zeros(V)
    for token in tokens:
        logits += model.read_words.weight[:, token].detach()
    return float(logits.softmax(0)[SAID])


def study(**settings):
    methods = {"lrp": truth(), "wrong": truth(-1), "magnitude": truth(-1)}
    return WordAblation(methods, by_magnitude=["magnitude"], **settings)


MENTIONS = [ObjectMention(1, 5, "cat", "cat", True)]


def ablated(**settings):
    model = captioner()
    batch = captioned(model, torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    return list(study(**settings).ablate(model, batch, MENTIONS, np.random.default_rng(0)))


def test_probability_after_deletion_is_that_of_the_shorter_sentence():
    model = captioner()
    before = torch.tensor([[START, 4, 7, 10, 5]])
    features = captioned(model, torch.zeros(1, 3, SIDE, SIDE), TOKENS[:1], CAPTIONS[:1]).features
    ways = torch.tensor([[[1, 2], [4, 2]]])
    p = after_deletion(model, features, before, torch.tensor([SAID]), ways)
    assert p[0].tolist() == pytest.approx([by_hand([START, 10, 5]), by_hand([START, 4, 10])])
    whole = after_deletion(model, features, before, torch.tensor([SAID]), torch.zeros(1, 1, 0, dtype=torch.int64))
    assert float(whole) == pytest.approx(by_hand([START, 4, 7, 10, 5]))


def test_the_right_words_and_the_wrong_ones():
    the, ball, of = sorted(ablated(), key=lambda word: (word.image_id, word.place))
    assert [(w.word, w.kind, w.image_id, w.place) for w in (the, ball, of)] == [
        ("the", STOP, 1, 6),
        ("ball", CATEGORY, 2, 5),
        ("of", STOP, 2, 6),
    ]
    assert the.drops["lrp"] == 1 and the.drops["wrong"] == 0
    everything = by_hand([START, 4, 7, 10, 5, 8, 6])
    assert the.falls["lrp"] == pytest.approx(everything - by_hand([START, 7, 10, 8]), abs=1e-6)  # without 4, 5, 6
    assert the.falls["wrong"] == pytest.approx(everything - by_hand([START, 4, 5, 6]), abs=1e-6)  # without 7, 8, 10
    without_4_7_8 = everything - by_hand([START, 10, 5, 6])
    without_4_7_5 = everything - by_hand([START, 10, 8, 6])
    assert the.falls["magnitude"] in (pytest.approx(without_4_7_8, abs=1e-6), pytest.approx(without_4_7_5, abs=1e-6))


def test_random_deletes_all_triples_of_the_same_candidates():
    the = next(word for word in ablated() if word.word == "the")
    inputs = [START, 4, 7, 10, 5, 8, 6]
    falls = [
        by_hand(inputs) - by_hand([token for i, token in enumerate(inputs) if i not in way])
        for way in combinations(range(1, 7), 3)
    ]
    assert len(falls) == 20
    assert the.falls[RANDOM] == pytest.approx(np.mean(falls), abs=1e-6)
    assert the.drops[RANDOM] == pytest.approx(np.mean([fall > 1e-7 for fall in falls]))


def test_drawn_triples_stay_among_the_candidates_and_never_repeat_a_word():
    ways = torch.stack(study(draws=400)._random(20, 2, np.random.default_rng(0), torch.device("cpu")))
    assert ways.shape == (400, 2, 3) and ways.min() == 1 and ways.max() == 20
    assert all(len(set(way)) == 3 for way in ways.flatten(0, 1).tolist())
    assert torch.bincount(ways.flatten(), minlength=21)[1:].min() > 60  # of 2400 / 20 = 120 expected
    assert not torch.equal(ways[:, 0], ways[:, 1])


def test_draws_are_close_to_all_ways():
    exact, drawn = ablated()[-1], ablated(draws=10)[-1]
    assert exact.falls[RANDOM] == pytest.approx(drawn.falls[RANDOM], abs=0.2) and exact.falls != drawn.falls


def test_words_before_the_sixth_are_not_looked_at():
    assert {word.place for word in ablated()} == {5, 6}
    assert {word.place for word in ablated(first=6)} == {6}
    assert not ablated(first=7)


def test_settings_that_cannot_be():
    with pytest.raises(UserError, match=r"study\.deleted=3 words cannot be taken from the 2"):
        study(first=2)
    with pytest.raises(UserError, match=r"none of these is among study\.methods"):
        WordAblation({"lrp": truth()}, by_magnitude=["gradient"])
    with pytest.raises(UserError, match="there is no method to study"):
        WordAblation({"lrp": None})


def test_the_paper_stands_beside_the_captioner_it_is_of():
    outcome = study()._outcome(ablated(), "GridTD", "test")
    rows = {(row["kind"], row["method"]): row for row in outcome.rows}
    assert rows[STOP, "lrp"]["paper"] == 0.7121 and rows[CATEGORY, RANDOM]["paper"] == 0.1176
    assert rows[STOP, "magnitude"]["paper"] == 0.7365 and rows[STOP, "wrong"]["paper"] is None
    assert rows[STOP, "lrp"]["words"] == 2 and rows[CATEGORY, "lrp"]["drops"] == 1.0
    assert outcome.metrics["test/word_ablation_lrp_category_words"] == 1.0
    assert all(row["paper"] is None for row in study()._outcome(ablated(), "Soft", "test").rows)


def test_methods_that_say_nothing_of_words_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """All candidates are equal to them: what is deleted would be what stands first."""
    model = captioner()
    batch = captioned(model, torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    silent = Fixed(words=lambda inputs: torch.zeros(inputs.shape))
    ablation = WordAblation({"lrp": truth(), "silent": silent})
    words = list(ablation.ablate(model, batch, MENTIONS, np.random.default_rng(0)))
    assert {"lrp", RANDOM} == set(words[0].drops)
    assert caplog.messages == ["left out, since they say nothing of the words that this captioner reads: silent"]
    with pytest.raises(UserError, match="silent say nothing of the words that this captioner reads"):
        list(WordAblation({"silent": silent}).ablate(model, batch, MENTIONS, np.random.default_rng(0)))
