import pytest

from whysaid.errors import UserError
from whysaid.metrics.baselines import human_baseline, majority_caption
from whysaid.metrics.scorer import CaptionScorer
from whysaid.metrics.text import ROUGEL, CIDEr


def test_human_is_the_first_reference_against_the_others(no_java):
    references = {1: ["a dog", "a dog", "x"], 2: ["a cat", "y"], 3: ["alone"]}
    scores = human_baseline(references, CaptionScorer([ROUGEL()]))
    assert scores.per_image["ROUGE-L"] == pytest.approx({1: 1, 2: 0})


def test_human_needs_two_references():
    with pytest.raises(UserError, match="two references"):
        human_baseline({1: ["a dog"]}, CaptionScorer([ROUGEL()]))


@pytest.mark.java
@pytest.mark.photos
def test_human_score_of_coco(java, coco_captions):
    scores = human_baseline(coco_captions, CaptionScorer([CIDEr()]))
    assert scores.corpus["CIDEr"] == pytest.approx(0.948, abs=5e-4)


def test_majority():
    assert majority_caption(["A dog.", "two cats", "a dog", "zebra", "zebra"]) == "a dog"
    with pytest.raises(UserError, match="training caption"):
        majority_caption([])
