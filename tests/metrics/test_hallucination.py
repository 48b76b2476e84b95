import pytest

from src.metrics.hallucination import Hallucination, caption_records, hallucination_scores
from src.metrics.objects import ObjectWords

WORDS = ObjectWords({"dog": ["puppy"], "cat": [], "ball": [], "tree": [], "car": []})
PREDICTIONS = {
    1: "a dog chases a dog and a ball",
    2: "a puppy under a tree",
    3: "a cat with a ball",
    4: "nothing at all",
}
REFERENCES = {
    1: ["a puppy plays", "grass"],
    2: ["a dog", "trees in a park"],
    3: ["a ball"],
    4: ["a car"],
}


def test_records_by_hand():
    first, _, third, fourth = caption_records(PREDICTIONS, REFERENCES, WORDS)
    assert first == {
        "image_id": 1,
        "caption": "a dog chases a dog and a ball",
        "objects": ["dog", "dog", "ball"],
        "supported": ["dog", "dog"],
        "hallucinated": ["ball"],
        "present": ["dog"],
        "references": ["a puppy plays", "grass"],
    }
    assert third["hallucinated"] == ["cat"]
    assert fourth["objects"] == [] and fourth["present"] == ["car"]


def test_scores_by_hand():
    scores = Hallucination(WORDS)(PREDICTIONS, REFERENCES)
    corpus = {name: score.corpus for name, score in scores.items()}
    assert corpus == pytest.approx(
        {
            "CHAIRs": 2 / 4,
            "CHAIRi": 2 / 7,  # mentions: dog dog ball | dog tree | cat ball
            "object_precision": 4 / 6,  # once a caption: dog ball | dog tree | cat ball
            "object_mAP": (1 + 1 / 2 + 1 + 0) / 4,  # dog, ball, tree, cat
            "object_mAP_words": 4,
            "objects_never_predicted": 1,  # car
        }
    )
    assert set(corpus) == set(Hallucination.names)
    assert scores["CHAIRs"].per_image == {1: 1, 2: 0, 3: 1, 4: 0}


def test_only_frequent_words_enter_the_mean():
    corpus = Hallucination(WORDS, min_count=2)(PREDICTIONS, REFERENCES)
    assert corpus["object_mAP"].corpus == pytest.approx((1 + 1 / 2) / 2)
    assert corpus["object_mAP_words"].corpus == 2


def test_annotations_support_what_references_leave_out():
    scores = Hallucination(WORDS, annotated={1: {"ball"}, 3: {"cat", "tree"}})(PREDICTIONS, REFERENCES)
    assert scores["CHAIRs"].corpus == scores["CHAIRi"].corpus == 0
    assert scores["object_mAP"].corpus == 1


def test_without_any_object_shares_are_left_out():
    scores = hallucination_scores(caption_records({4: "nothing"}, REFERENCES, WORDS))
    assert {name: score.corpus for name, score in scores.items()} == {
        "CHAIRs": 0,
        "object_mAP_words": 0,
        "objects_never_predicted": 1,
    }
