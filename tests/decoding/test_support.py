"""Decoding by the support of object words, on a captioner whose probabilities are written down."""

from dataclasses import replace
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from torch import Tensor

from tests.attribution.tiny import captioner, photos
from tests.decoding.tiny import Markov
from whysaid.attribution.looking.attention import Attention
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.presence import Presence
from whysaid.attribution.support.support import Support
from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.batch import Pictures
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import END, SPECIALS, START, Vocabulary
from whysaid.decoding.beam import Beam
from whysaid.decoding.contrast.absent import Grey, Mean
from whysaid.decoding.contrast.rules import VCD, NoContrast
from whysaid.decoding.decoder import describe, takes_mean, with_vocabulary
from whysaid.decoding.diverse_beam import DiverseBeam
from whysaid.decoding.filters import NoUnknown
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.sampling import Multinomial
from whysaid.decoding.support.endings import NOTHING, ObjectEndings
from whysaid.decoding.support.known import asks_support, with_support
from whysaid.decoding.support.rerank import Rerank
from whysaid.decoding.support.unsupported import Unsupported
from whysaid.decoding.support.watched import Watched
from whysaid.errors import UserError
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.word_captioner import Features

VOCABULARY = Vocabulary([*SPECIALS, "a", "dog", "cat", "hot", "red", "paper"])
V = len(VOCABULARY)
A, DOG, CAT, HOT, RED, PAPER = (VOCABULARY.index[word] for word in ("a", "dog", "cat", "hot", "red", "paper"))

OBJECTS = ObjectWords({"dog": [], "cat": [], "hot dog": [], "paper": []}, ["red paper"])

BOTH, ALONE = ("log_p", "contrast"), ("log_p",)
SUPPORT = ObjectSupport(Support("key", {BOTH: Logistic([1.0, 2.0], 1.0), ALONE: Logistic([1.0], 1.0)}), OBJECTS)

IMPOSSIBLE = 1e-12


class Told(Markov):
    """Its pictures are its tables: regions (B, 1, V·V)."""

    def __init__(self, mean: Tensor):
        super().__init__(V)
        self.double()
        self.mean_regions = mean

    def project(self, values: Tensor, mask: Tensor | None = None) -> Features:
        blank = values.new_zeros(len(values), 1, 1)
        return Features(blank, blank, values.flatten(1))


class Showing(Told):
    """A captioner whose picture's first number says what it shows."""

    def project(self, values: Tensor, mask: Tensor | None = None) -> Features:
        return replace(super().project(values, mask), values=values[..., :1])


def table(**next_words: dict[int, float]) -> Tensor:
    """Log-probabilities (1, V·V) of the word after each; a word of which nothing is said is followed by `<end>`."""
    p = torch.full((V, V), IMPOSSIBLE, dtype=torch.float64)
    p[:, END] = 1
    for word, of in next_words.items():
        row = START if word == "start" else VOCABULARY.index[word]
        p[row] = IMPOSSIBLE
        for other, value in of.items():
            p[row, other] = value
    return (p / p.sum(1, keepdim=True)).log().view(1, -1)


SEEN = table(start={A: 1.0}, a={DOG: 0.6, CAT: 0.3, RED: 0.1})
NONE = table(start={A: 1.0}, a={DOG: 0.9, CAT: 0.05, RED: 0.05})
"""A picture makes `cat` likelier than none does, and `dog` less likely."""

PICTURE = Pictures(regions=SEEN[None])
MODEL = Told(NONE)


def support_of(p: float, p0: float | None = None) -> float:
    """What the regression says, by hand."""
    return float(expit(log(p) + 1 + (0 if p0 is None else 2 * (log(p) - log(p0)))))


def say(decoder: Any, model: Told = MODEL, picture: Pictures = PICTURE) -> list[str]:
    decoded, features = describe(with_support(decoder, SUPPORT, VOCABULARY), model, picture)
    assert len(features) == len(picture.regions)  # type: ignore[arg-type]
    return [" ".join(VOCABULARY.decode(row)) for row in decoded.tokens[0].tolist()]


def test_a_word_names_an_object_after_the_words_before_it() -> None:
    endings = ObjectEndings(OBJECTS, VOCABULARY)
    after = endings(torch.tensor([[A, RED], [A, HOT], [A, A]]))
    dog, cat, hot_dog, paper = range(4)
    assert after[:, [DOG, CAT, HOT, A]].tolist() == [[d, cat, NOTHING, NOTHING] for d in (dog, hot_dog, dog)]
    assert after[:, PAPER].tolist() == [NOTHING, paper, paper]
    assert (endings(torch.zeros(2, 0, dtype=torch.int64))[:, PAPER] == paper).all()


@pytest.mark.parametrize(
    ("threshold", "said"), [(0.1, "a dog"), (0.54, "a dog"), (0.55, "a dog"), (0.63, "a red"), (0.99, "a red")]
)
def test_by_log_probability_alone(threshold: float, said: str) -> None:
    """Support of `dog` is 0.62, that of `cat` 0.449."""
    assert support_of(0.6) == pytest.approx(0.62, abs=0.001) and support_of(0.3) == pytest.approx(0.449, abs=0.001)
    assert say(Greedy(filters=[Unsupported(threshold, ALONE)])) == [said]


@pytest.mark.parametrize(("threshold", "said"), [(0.3, "a dog"), (0.5, "a cat"), (0.96, "a cat"), (0.97, "a red")])
@pytest.mark.parametrize("contrast", [None, NoContrast()], ids=["none", "no_contrast"])
def test_by_what_the_picture_adds(threshold: float, said: str, contrast: Any) -> None:
    assert support_of(0.6, 0.9) == pytest.approx(0.420, abs=0.001)
    assert support_of(0.3, 0.05) == pytest.approx(0.967, abs=0.001)
    for decoder in (Greedy, Beam):
        assert say(decoder(filters=[NoUnknown(), Unsupported(threshold)], contrast=contrast))[0] == said


def test_by_what_the_picture_shows() -> None:
    """Two pictures side by side, of which a probe sees a dog in one; categories of the probe are in another order."""
    weights = np.zeros((4, 2), np.float16)
    weights[3, 0] = 1.0
    probe = Presence(["cat", "paper", "hot dog", "dog"], weights, np.full(4, -9.0))
    regressions = {("log_p", "contrast", "presence"): Logistic([0.0, 0.0, 1.0], 0.0), BOTH: Logistic([0.0, 0.0], -9.0)}
    known = ObjectSupport(Support("key", regressions, presence=probe), OBJECTS)
    dog, nothing = SEEN.clone(), SEEN.clone()
    dog[0, 0], nothing[0, 0] = 12.0, 0.0  # of `<pad>` after itself, which nobody says
    pictures, model = Pictures(regions=torch.stack([nothing, dog])), Showing(NONE)
    for decoder, others in ((Greedy, {}), (Beam, {"width": 2, "captions": 1})):
        with_probe = with_support(decoder(filters=[Unsupported(0.5)], **others), known, VOCABULARY)
        tokens = describe(with_probe, model, pictures)[0].tokens[:, 0]
        assert [VOCABULARY.decode(row)[-1] for row in tokens.tolist()] == ["red", "dog"]
        without = with_support(decoder(filters=[Unsupported(0.5, BOTH)], **others), known, VOCABULARY)
        tokens = describe(without, model, pictures)[0].tokens[:, 0]
        assert [VOCABULARY.decode(row)[-1] for row in tokens.tolist()] == ["red", "red"]


def test_nothing_is_renormalised_where_there_is_no_contrast() -> None:
    for scores in (ALONE, BOTH):
        decoder = with_support(Greedy(filters=[Unsupported(0.99, scores)]), SUPPORT, VOCABULARY)
        decoded, _ = describe(decoder, MODEL, PICTURE)
        assert float(decoded.log_probs) == pytest.approx(log(0.1), abs=1e-6)


def test_a_contrast_finds_plausible_what_is_left() -> None:
    """`red` is less than half as probable as `dog`; once that is forbidden, as `cat` is, it is what there is to say."""
    contrast = VCD(Mean(), alpha=0.5, beta=0.5)
    assert say(Greedy(contrast=contrast)) == ["a cat"]
    assert say(Greedy(filters=[Unsupported(0.97)], contrast=contrast)) == ["a red"]
    assert say(Greedy(filters=[Unsupported(0.99, ALONE)], contrast=VCD(Mean(), 0.5, 0.5))) == ["a red"]


def test_rows_of_a_beam_are_judged_each_by_its_own_words() -> None:
    """`paper` is an object, and `red paper` is not: so only one of two hypotheses may go on with it."""
    seen = table(start={HOT: 0.5, RED: 0.5}, hot={PAPER: 0.4, A: 0.6}, red={PAPER: 1.0})
    captions = say(Beam(3, filters=[Unsupported(0.9, ALONE)]), Told(seen), Pictures(regions=seen[None]))
    assert captions[:2] == ["red paper", "hot a"] and "hot paper" not in captions


def test_a_decoder_by_itself_does_without() -> None:
    decoder = with_support(Greedy(filters=[Unsupported(0.97)]), SUPPORT, VOCABULARY)
    plain = decoder(MODEL, MODEL.features(PICTURE)).tokens
    assert VOCABULARY.decode(plain[0, 0].tolist()) == ["a", "dog"]


def test_candidates_are_ranked_by_the_log_odds_of_their_objects() -> None:
    beam = Beam(3, captions=1, support=Rerank(weight=0.0))
    assert say(beam) == ["a dog"]
    assert say(Beam(3, captions=1, support=Rerank(weight=0.5))) == ["a cat"]
    decoder = with_support(Beam(3, support=Rerank(weight=0.5)), SUPPORT, VOCABULARY)
    decoded, _ = describe(decoder, MODEL, PICTURE)
    assert [VOCABULARY.decode(row)[-1] for row in decoded.tokens[0].tolist()] == ["cat", "dog", "red"]
    expected = [
        log(0.3) + 0.5 * logit(support_of(0.3, 0.05)),
        log(0.6) + 0.5 * logit(support_of(0.6, 0.9)),
        log(0.1),
    ]
    assert decoded.scores[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert decoded.log_probs[0].tolist() == pytest.approx([log(0.3), log(0.6), log(0.1)], abs=1e-5)


def test_groups_of_beams_are_ranked_too_and_an_object_counts_once() -> None:
    decoder = DiverseBeam(3, 1, 1.0, support=Rerank(weight=2.0))
    assert say(decoder)[0] == "a cat" and len(say(decoder)) == 3
    ranking = Rerank().of(SUPPORT, VOCABULARY)
    twice, once = torch.tensor([[[A, CAT, A, CAT, END]]]), torch.tensor([[[A, CAT, END]]])
    values = [ranking.log_odds(tokens, MODEL, PICTURE, MODEL.features(PICTURE)) for tokens in (twice, once)]
    assert [float(value) for value in values] == pytest.approx([logit(support_of(0.3, 0.05))] * 2, abs=1e-6)


def test_relevance_counts_where_a_method_is_given() -> None:
    model = captioner("gridtd", ScenesCNN((4, 6), 8)).eval()
    batch = Pictures(photos(8))
    model.mean_regions = model.regions(batch).values.mean(0).detach()
    words = Vocabulary([*SPECIALS, "a", "b", "c", "d", "e"])
    known = ObjectSupport(
        Support("key", {("log_p", "relevance"): Logistic([0.0, 5.0], 0.0), ALONE: Logistic([0.0], 0.3)}),
        ObjectWords({"b": [], "d": []}),
    )
    tokens = torch.tensor([[[4, 5, END]], [[4, 6, END]]])
    features = model.features(batch)
    without = Rerank().of(known, words).log_odds(tokens, model, batch, features)
    assert without.flatten().tolist() == pytest.approx([0.3, 0])
    with torch.inference_mode():
        explained = Rerank(relevance=Attention()).of(known, words).log_odds(tokens, model, batch, features)
    assert explained[0, 0] > 0 and explained[0, 0] != pytest.approx(0.3) and explained[1, 0] == 0
    with pytest.raises(UserError, match="cache_features=false"):
        stored = Pictures(regions=features.values)
        Rerank(relevance=Attention()).of(known, words).log_odds(tokens, model, stored, features)


def test_decoders_that_do_not_ask_stay_as_they_are() -> None:
    plain = with_vocabulary(Beam(filters=[NoUnknown()]), VOCABULARY)
    assert with_support(plain, None, VOCABULARY) is plain and not asks_support(plain) and not takes_mean(plain)
    assert takes_mean(Beam(support=Rerank())) and takes_mean(Greedy(filters=[Unsupported()]))
    assert not takes_mean(Greedy(filters=[Unsupported(scores=ALONE)])) and Multinomial().support is None
    watched = with_support(Greedy(filters=[Unsupported(scores=ALONE)], contrast=VCD(Grey())), SUPPORT, VOCABULARY)
    assert isinstance(watched.contrast, Watched) and not takes_mean(watched)


SHORT = ObjectSupport(Support("key", {ALONE: Logistic([1.0], 1.0)}), OBJECTS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unsupported(1.0), "below 1"),
        (lambda: Unsupported(0.5, ("log_p", "relevance")), r"choose \[log_p\] or \[log_p, contrast\] or"),
        (lambda: Rerank(-1), "0 or more"),
        (lambda: Greedy(filters=[Unsupported()])(MODEL, MODEL.features(PICTURE)), "leave it out"),
        (lambda: with_support(Beam(support=Rerank()), None, VOCABULARY), "fit it by study=support"),
        (lambda: with_support(Greedy(filters=[Unsupported()] * 2), SUPPORT, VOCABULARY), "twice"),
        (lambda: with_support(Greedy(filters=[Unsupported()]), SHORT, VOCABULARY), "run study=support anew"),
        (
            lambda: with_support(Greedy(filters=[Unsupported()], contrast=VCD(Grey())), SUPPORT, VOCABULARY),
            r"absent=mean, or give Unsupported scores=\[log_p\]",
        ),
    ],
)
def test_what_cannot_be_supported_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_where_the_filters_leave_nothing_plausible_the_caption_ends() -> None:
    """A contrast without plausible `<end>`, and a filter that knows nothing of it."""

    def nothing(log_p: Tensor, tokens: Tensor) -> Tensor:
        return log_p.masked_fill_(torch.arange(V) != END, -torch.inf)

    contrast = VCD(Mean(), beta=0.1)
    decoded, _ = describe(Greedy(max_length=4, filters=[nothing], contrast=contrast), MODEL, PICTURE)
    assert decoded.tokens.tolist() == [[[END]]] and exp(float(decoded.log_probs)) == 0
