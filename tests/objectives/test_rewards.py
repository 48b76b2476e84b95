"""Rewards against the COCO evaluation's own code."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

from tests.objectives.tiny import REFERENCES, VOCABULARY, data, weighed_by
from whysaid.data.captions.document_frequency import DocumentFrequencies, ngrams
from whysaid.data.vocabulary import END, PAD
from whysaid.data.words import words
from whysaid.errors import UserError
from whysaid.metrics.text import BLEU, ROUGEL, CIDEr
from whysaid.objectives.bleu import BLEU4
from whysaid.objectives.cider_d import CIDErD
from whysaid.objectives.ngrams import lengths, matches
from whysaid.objectives.references import References, Sampled
from whysaid.objectives.rewards import MetricReward, Rewards

WORDS, IMAGES, SAMPLES = 12, 40, 3


def caption(random: np.random.Generator, longest: int) -> list[int]:
    ended = [END] if random.random() < 0.8 else []
    return [*random.integers(3, WORDS, random.integers(0 if ended else 1, longest)).tolist(), *ended]


def padded(captions: list[list[int]], length: int) -> np.ndarray:
    return np.array([caption + [PAD] * (length - len(caption)) for caption in captions], np.int32)


@pytest.fixture(scope="module")
def corpus() -> list[list[list[int]]]:
    """Images with one to five references, of one token and more; few words, so that n-grams repeat."""
    random = np.random.default_rng(0)
    return [[caption(random, 9) for _ in range(random.integers(1, 6))] for _ in range(IMAGES)]


@pytest.fixture(scope="module")
def sampled(corpus: list[list[list[int]]]) -> Sampled:
    """Samples near the references and far from them, among them a lone `<end>` and a lone word."""
    random = np.random.default_rng(1)
    tokens = []
    for references in corpus:
        near = list(references[0])
        near[0] = 5
        tokens.append(padded([near, caption(random, 12), [END] if random.random() < 0.5 else [7]], 13))
    most = max(map(len, corpus))
    blank: list[list[int]] = [[]]
    texts = [padded(references + blank * (most - len(references)), 10) for references in corpus]
    return Sampled(list(range(IMAGES)), np.stack(tokens), np.stack(texts))


def text(tokens: list[int]) -> str:
    return " ".join(str(token) for token in tokens if token != PAD)


def published_cider(
    sampled: Sampled, corpus: list[list[list[int]]], frequencies: DocumentFrequencies, documents: int
) -> np.ndarray:
    """pycocoevalcap's CIDEr-D with given document frequencies."""

    class Documents(list):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return documents

    scorer = CiderScorer()
    for image, rows in enumerate(sampled.tokens.tolist()):
        for row in rows:
            scorer += (text(row), [text(reference) for reference in corpus[image]])
    grams = {gram for counts in scorer.ctest for gram in counts}
    grams |= {gram for references in scorer.crefs for counts in references for gram in counts}
    scorer.document_frequency = defaultdict(float)
    for gram in grams:
        scorer.document_frequency[gram] = float(frequencies(ngrams([int(word) for word in gram], len(gram)))[0])
    scorer.crefs = Documents(scorer.crefs)
    return np.array(scorer.compute_cider()).reshape(len(sampled.ids), -1)


@pytest.mark.filterwarnings("error")
def test_cider_d_is_the_published_one(sampled: Sampled, corpus: list[list[list[int]]]) -> None:
    frequencies = DocumentFrequencies.build([[[1, *tokens] for tokens in references] for references in corpus], WORDS)
    reward = CIDErD()
    reward.prepare(weighed_by(frequencies))
    expected = published_cider(sampled, corpus, frequencies, IMAGES)
    first, second = reward(sampled), reward(sampled)  # the second time with norms of references kept
    assert np.abs(first - expected).max() <= 1e-12 and np.array_equal(first, second)
    assert expected.max() > 3 and (expected[:, 2] < 2).all() and first.shape == (IMAGES, SAMPLES)


def test_an_end_is_worth_something_and_a_wrong_one_is_not(corpus: list[list[list[int]]]) -> None:
    frequencies = DocumentFrequencies.build([[[1, 4, 5, END]], [[1, 6, 7, 8]]], WORDS)
    reward = CIDErD()
    reward.prepare(weighed_by(frequencies))
    tokens = np.array([[[4, 5, END], [4, 5, PAD]]], np.int32)
    with_end, without = reward(Sampled([0], tokens, np.array([[[4, 5, END]]], np.int32)))[0]
    assert with_end == pytest.approx(7.5) and without < with_end  # no 4-gram in so short a caption


def test_norms_kept_are_those_of_the_image_they_belong_to(sampled: Sampled, corpus: list[list[list[int]]]) -> None:
    reward = CIDErD()
    frequencies = DocumentFrequencies.build([[[1, *t] for t in references] for references in corpus], WORDS)
    reward.prepare(weighed_by(frequencies))
    whole = reward(sampled)
    order = [7, 3, 7]
    few = Sampled(order, sampled.tokens[order], sampled.references[order][:, : max(len(corpus[i]) for i in order)])
    assert np.allclose(reward(few), whole[order], rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_bleu_4_is_the_published_one(sampled: Sampled, corpus: list[list[list[int]]]) -> None:
    places = [(image, sample) for image in range(IMAGES) for sample in range(SAMPLES)]
    references = {i: [text(reference) for reference in corpus[image]] for i, (image, _) in enumerate(places)}
    hypotheses = {i: [text(sampled.tokens[place].tolist())] for i, place in enumerate(places)}
    _, per_image = Bleu(4).compute_score(references, hypotheses, verbose=0)
    expected = np.array(per_image[3]).reshape(IMAGES, SAMPLES)
    assert np.abs(BLEU4()(sampled) - expected).max() <= 1e-12 and expected.max() > 0.5


def test_matches_against_counting(sampled: Sampled, corpus: list[list[list[int]]]) -> None:
    counted = matches(sampled.tokens, sampled.references)
    for image in range(0, IMAGES, 7):
        for sample in range(SAMPLES):
            said = [token for token in sampled.tokens[image, sample].tolist() if token != PAD]
            for order, (own, others) in enumerate(counted, 1):
                grams = [tuple(said[i : i + order]) for i in range(len(said) - order + 1)]
                assert own[image, sample, : len(grams)].tolist() == [grams.count(gram) for gram in grams]
                assert not own[image, sample, len(grams) :].any()
                for k, reference in enumerate(corpus[image]):
                    theirs = [tuple(reference[i : i + order]) for i in range(len(reference) - order + 1)]
                    counts = others[image, sample, k, : len(grams)].tolist()
                    assert counts == [theirs.count(gram) for gram in grams]


def test_references_are_all_of_an_image_encoded_as_in_training() -> None:
    references = References(REFERENCES, VOCABULARY, max_words=4)
    tokens = references([2, 1])
    assert tokens.shape == (2, 4, 5)
    assert tokens[0, :2].tolist() == [[4, 7, 6, 4, PAD], [4, 3, 7, END, PAD]] and not tokens[0, 2:].any()
    assert lengths(tokens[1]).tolist() == [4, 3, 5, 4]  # the first and the last are cut and have no <end>


@pytest.mark.parametrize("captions", [{}, {2: []}])
def test_an_image_without_references_is_an_error(captions: dict[int, list[str]]) -> None:
    with pytest.raises(UserError, match="image 2 has no reference caption"):
        References(captions, VOCABULARY)([2])


def test_rewards_are_a_weighted_sum() -> None:
    terms = {
        "CIDEr-D": {"weight": 2.0, "score": CIDErD()},
        "BLEU-4": {"weight": 0.5, "score": BLEU4()},
        "nothing": {"weight": 0.0, "score": None},
    }
    rewards = Rewards(terms)  # type: ignore[arg-type]
    rewards.prepare(data())
    tokens = torch.tensor([[[4, 5, END, PAD], [8, 8, 8, 6]], [[END, PAD, PAD, PAD], [4, 7, 6, END]]])
    total, means = rewards(torch.tensor([1, 2]), tokens)
    sampled = Sampled([1, 2], tokens.numpy().astype(np.int32), References(REFERENCES, VOCABULARY, 8)([1, 2]))
    parts = [terms[name]["score"](sampled) for name in ("CIDEr-D", "BLEU-4")]  # type: ignore[operator]
    assert np.allclose(total, 2 * parts[0] + 0.5 * parts[1]) and total[0, 0] > total[0, 1]
    assert means == {"CIDEr-D": pytest.approx(parts[0].mean()), "BLEU-4": pytest.approx(parts[1].mean())}
    assert np.isfinite(total).all()  # a lone <end> among them


def test_what_samples_are_like() -> None:
    rewards = Rewards({"BLEU-4": {"weight": 1.0, "score": BLEU4()}})
    rewards.prepare(data())
    tokens = torch.tensor([[[4, 5, END, PAD], [8, 8, 8, 6]], [[END, PAD, PAD, PAD], [7, 4, END, PAD]]])
    statistics = {name: float(value) for name, value in rewards.statistics(tokens).items()}
    assert statistics == {"sample_length": 2.0, "end_rate": 0.75, "sample_bad_endings": 0.5}


def test_any_metric_can_be_a_reward() -> None:
    reward = MetricReward(ROUGEL(), "ROUGE-L")
    reward.prepare(data())
    tokens = np.array([[[4, 5, 6, END], [END, PAD, PAD, PAD]], [[7, 6, 8, PAD], [4, 7, END, PAD]]], np.int32)
    values = reward(Sampled([1, 2], tokens, References(REFERENCES, VOCABULARY)([1, 2])))
    said = {0: ["a dog on"], 1: [""], 2: ["cat on ball"], 3: ["a cat"]}
    texts = {i: [" ".join(words(text)) for text in REFERENCES[1 + i // 2]] for i in said}
    assert np.allclose(values.ravel(), Rouge().compute_score(texts, said)[1]) and values.max() > 0.5


def test_rewards_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="every reward has weight 0"):
        Rewards({"BLEU-4": {"weight": 0.0, "score": BLEU4()}})
    with pytest.raises(UserError, match="choose one of BLEU-1"):
        MetricReward(BLEU(), "BLEU-5")

    class Corpus(CIDEr):
        def __call__(self, hypotheses, references):  # type: ignore[no-untyped-def]
            scores = super().__call__(hypotheses, references)
            return {name: score._replace(per_image=None) for name, score in scores.items()}

    reward = MetricReward(Corpus(), "CIDEr")
    reward.prepare(data())
    with pytest.raises(UserError, match="cannot be a reward"):
        reward(Sampled([1], np.array([[[4, END]]], np.int32), References(REFERENCES, VOCABULARY)([1])))
