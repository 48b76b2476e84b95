import logging

import pytest

from tests.metrics.test_meteor import Killed
from whysaid.errors import UserError
from whysaid.metrics.caption_statistics import CaptionStatistics
from whysaid.metrics.meteor import METEOR
from whysaid.metrics.score import Score, warn_once
from whysaid.metrics.scorer import CaptionScorer
from whysaid.metrics.spice import SPICE
from whysaid.metrics.text import BLEU, ROUGEL, CIDEr

PREDICTIONS = {2: "Two cats.", 1: "A dog on a"}
REFERENCES = {1: ["A dog\non a mat", ""], 2: ["two cats!"], 3: ["not predicted"]}


class Broken:
    names = ("broken",)

    def __call__(self, hypotheses, references):
        raise KeyError("a surprise")


class Echo:
    """Shows a metric's inputs."""

    names = ("echo",)

    def __call__(self, hypotheses, references):
        self.seen = hypotheses, references
        return {"echo": Score(1.0)}


def test_tokenises_and_passes_on_only_what_was_predicted(no_java):
    echo = Echo()
    scores = CaptionScorer([echo]).score(PREDICTIONS, REFERENCES)
    assert echo.seen == ({1: "a dog on a", 2: "two cats"}, {1: ["a dog on a mat", ""], 2: ["two cats"]})
    assert scores.corpus == {"echo": 1.0} and scores.per_image == {}


def test_a_tokeniser_that_there_is_not():
    with pytest.raises(UserError, match=r"metrics.tokenizer is 'spacy': set it to one of ptb, words"):
        CaptionScorer([], tokenizer="spacy")


def test_without_java_the_rest_is_scored_and_each_gap_is_named_once(no_java, caplog):
    scorer = CaptionScorer([BLEU(), METEOR(), SPICE(), CIDEr(), ROUGEL(), CaptionStatistics()])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            scores = scorer.score(PREDICTIONS, REFERENCES)
    assert set(scores.unavailable) == {"METEOR", "SPICE"}
    assert "no `java`" in scores.unavailable["METEOR"] and "install" in scores.unavailable["METEOR"]
    assert {"BLEU-4", "CIDEr", "ROUGE-L", "length"} <= set(scores.corpus)
    assert not {"METEOR", "SPICE"} & set(scores.corpus)
    assert scores.corpus["bad_endings"] == 0.5
    assert len(caplog.records) == 3  # the tokeniser, METEOR, SPICE


def test_an_unexpected_failure_costs_its_metric_alone(no_java):
    scores = CaptionScorer([Broken(), ROUGEL()]).score(PREDICTIONS, REFERENCES)
    assert scores.unavailable == {"broken": "KeyError: 'a surprise'"}
    assert scores.per_image["ROUGE-L"][2] == pytest.approx(1)


@pytest.mark.java
def test_a_killed_meteor_costs_meteor_alone(java):
    scores = CaptionScorer([Killed(), ROUGEL()]).score(PREDICTIONS, REFERENCES)
    assert "ended early" in scores.unavailable["METEOR"]
    assert set(scores.corpus) == {"ROUGE-L"}


def test_predictions_without_references_are_named():
    with pytest.raises(UserError, match="ids 7, 9"):
        CaptionScorer([BLEU()]).score({1: "a", 7: "b", 9: "c"}, {1: ["a"], 9: []})
    with pytest.raises(UserError, match="no captions"):
        CaptionScorer([BLEU()]).score({}, REFERENCES)


def test_captions_that_are_all_empty_score_zero(no_java):
    scores = CaptionScorer([BLEU(), CIDEr(), ROUGEL(), CaptionStatistics()]).score({1: "", 2: ""}, REFERENCES)
    assert not scores.unavailable
    assert scores.corpus["CIDEr"] == scores.corpus["length"] == 0
    assert scores.corpus["BLEU-4"] == pytest.approx(0, abs=1e-6)


@pytest.mark.java
def test_references_are_cached_and_predictions_are_not(java, tmp_path):
    for caption in ("a dog", "a cat"):
        CaptionScorer([ROUGEL()], tmp_path).score({1: caption}, REFERENCES)
    assert len(list(tmp_path.glob("ptb-*"))) == 1


def test_what_has_to_be_known_of_a_score_is_said_once(no_java, caplog):
    warn_once.cache_clear()
    scorer = CaptionScorer([CIDEr(), BLEU()])
    for _ in range(2):
        scores = scorer.score({1: "A dog."}, REFERENCES)
    assert scores.notes.keys() == {"CIDEr"} and scores.corpus["CIDEr"] == 0
    assert [record.message for record in caplog.records].count(f"CIDEr is {scores.notes['CIDEr']}") == 1
    assert scorer.score(PREDICTIONS, REFERENCES).notes == {}
