import math

import pytest

from whysaid.metrics.text import BLEU, ROUGEL, CIDEr
from whysaid.metrics.tokenizer import plain_tokenize

REFERENCES = {1: ["a dog runs on grass", "the dog is running"], 2: ["two cats sleep"], 3: ["a red bus"]}


def test_identical_captions_score_the_top():
    best = {i: captions[0] for i, captions in REFERENCES.items()}
    for metric in (BLEU(), ROUGEL()):
        scores = metric(best, REFERENCES)
        assert set(scores) == set(metric.names)
    assert BLEU()(best, REFERENCES)["BLEU-1"].corpus == pytest.approx(1)
    assert ROUGEL()(best, REFERENCES)["ROUGE-L"].per_image == pytest.approx({1: 1, 2: 1, 3: 1})


def test_bleu_1_by_hand():
    # 3 of 3 words match and the closest reference is 4 words long: brevity penalty exp(1 − 4/3).
    scores = BLEU()({1: "the dog is"}, {1: ["the dog is running", "a b c d e f"]})
    assert scores["BLEU-1"].corpus == pytest.approx(math.exp(1 - 4 / 3), abs=1e-6)


def test_rouge_by_hand():
    # Longest common subsequence 2 of 3 and of 4 words, β = 1.2.
    expected = 2.44 * (2 / 3) * (2 / 4) / (2 / 4 + 1.44 * 2 / 3)
    assert ROUGEL()({1: "the red dog"}, {1: ["the dog is running"]})["ROUGE-L"].corpus == pytest.approx(expected)


def test_cider_of_a_verbatim_and_of_an_alien_caption():
    scores = CIDEr()({1: "w x y z", 2: "q", 3: "r"}, {1: ["w x y z"], 2: ["a b c d"], 3: ["e f g h"]})["CIDEr"]
    assert scores.per_image == pytest.approx({1: 10, 2: 0, 3: 0})
    assert scores.corpus == pytest.approx(10 / 3)


def test_a_cider_of_one_image_is_zero_by_construction_and_says_so():
    alone = CIDEr()({1: "w x y z"}, {1: ["w x y z"]})["CIDEr"]
    assert alone.corpus == 0 and alone.note.startswith("0 by construction")
    assert CIDEr()({1: "w x y z", 2: "q"}, {1: ["w x y z"], 2: ["a b"]})["CIDEr"].note == ""


def test_empty_hypotheses_and_references_score_zero():
    for metric in (BLEU(), ROUGEL(), CIDEr()):
        for score in metric(dict.fromkeys(REFERENCES, ""), REFERENCES | {3: ["", "a bus"]}).values():
            assert score.per_image is not None
            assert score.corpus < 1e-3 or math.isfinite(score.corpus)
            assert score.per_image[1] == pytest.approx(0, abs=1e-3)


def test_order_of_images_is_kept():
    hypotheses = {3: "a red bus", 1: "nothing here matches"}
    per_image = ROUGEL()(hypotheses, REFERENCES)["ROUGE-L"].per_image
    assert per_image == pytest.approx({3: 1, 1: 0})


@pytest.mark.photos
def test_equals_pycocoevalcap_and_the_known_human_score(coco_captions):
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    tokens = plain_tokenize(coco_captions)
    hypotheses = {i: captions[0] for i, captions in tokens.items()}
    references = {i: captions[1:] for i, captions in tokens.items()}
    arguments = references, {i: [caption] for i, caption in hypotheses.items()}
    bleu = BLEU()(hypotheses, references)
    for name, corpus, values in zip(BLEU.names, *Bleu(4).compute_score(*arguments, verbose=0), strict=True):
        assert bleu[name].corpus == pytest.approx(corpus, abs=1e-9)
        assert list(bleu[name].per_image.values()) == pytest.approx(values, abs=1e-9)
    for metric, theirs in ((ROUGEL(), Rouge()), (CIDEr(), Cider())):
        corpus, values = theirs.compute_score(*arguments)
        (score,) = metric(hypotheses, references).values()
        assert score.corpus == pytest.approx(corpus, abs=1e-9)
        assert list(score.per_image.values()) == pytest.approx(list(values), abs=1e-9)
    assert score.corpus == pytest.approx(0.948, abs=2e-3)
