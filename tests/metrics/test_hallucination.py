import json

import pytest

from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.hallucination import (
    Hallucination,
    WordScore,
    caption_records,
    hallucination_scores,
    word_scores,
)

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
            "object_recall": 4 / 5,  # there: dog | dog tree | ball | car
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


def test_each_word_by_hand():
    words = word_scores(caption_records(PREDICTIONS, REFERENCES, WORDS))
    assert words == {
        "ball": WordScore(2, 1, 1),
        "cat": WordScore(1, 0, 0),
        "car": WordScore(0, 0, 1),
        "dog": WordScore(2, 2, 2),
        "tree": WordScore(1, 1, 1),
    }
    assert set(list(words)[:2]) == {"ball", "cat"}  # the hallucinated ones come first
    assert (words["ball"].precision, words["ball"].recall) == (0.5, 1)
    assert (words["cat"].precision, words["cat"].recall) == (0, None)
    assert (words["car"].precision, words["car"].recall) == (None, 0)


@pytest.fixture
def annotations(tmp_path):
    """Images 1 and 3 annotated for dogs, balls and cats, image 2 for dogs alone; image 4 not at all."""
    names = {1: "dog", 2: "ball", 3: "cat"}

    def file(name, images, categories, objects):
        content = {
            "images": [{"id": i, "height": 9, "width": 9} for i in images],
            "categories": [{"id": c, "name": names[c]} for c in categories],
            "annotations": [
                {"id": n, "image_id": i, "category_id": c, "bbox": [0, 0, 3, 3]} for n, (i, c) in enumerate(objects)
            ],
        }
        (tmp_path / name).write_text(json.dumps(content))

    file("instances_a.json", [1, 3], [1, 2, 3], [(1, 2), (3, 3)])
    file("person_boxes_a.json", [2], [1], [(2, 1)])
    return str(tmp_path)


def test_instances_alone_are_the_truth(annotations):
    metric = Hallucination(WORDS, truth="instances", annotations=annotations)
    first, second, third = metric.records(PREDICTIONS, REFERENCES)
    assert (first["supported"], first["hallucinated"]) == (["ball"], ["dog", "dog"])  # a reference says dog
    assert (second["objects"], second["present"]) == (["dog"], ["dog"])  # of trees nothing is known there
    assert (third["supported"], third["hallucinated"]) == (["cat"], ["ball"])
    scores = metric(PREDICTIONS, REFERENCES)
    assert scores["CHAIRi"].corpus == 3 / 6 and scores["CHAIRs"].per_image == {1: 1, 2: 0, 3: 1}
    assert scores["object_mAP"].corpus == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)  # dog, ball, cat


def test_either_takes_references_and_instances_together(annotations):
    scores = Hallucination(WORDS, truth="either", annotations=annotations)(PREDICTIONS, REFERENCES)
    assert scores["CHAIRs"].corpus == scores["CHAIRi"].corpus == 0
    assert scores["object_mAP"].corpus == 1 and scores["CHAIRs"].per_image.keys() == {1, 2, 3, 4}


def test_a_truth_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="set it to one of references, instances, either"):
        Hallucination(WORDS, truth="boxes")
    for folder in (None, str(tmp_path)):
        with pytest.raises(UserError, match=r"no instances_.*annotates one of these images: set metrics.annotations"):
            Hallucination(WORDS, truth="instances", annotations=folder)(PREDICTIONS, REFERENCES)


def test_without_any_object_shares_are_left_out():
    scores = hallucination_scores(caption_records({4: "nothing"}, REFERENCES, WORDS))
    assert {name: score.corpus for name, score in scores.items()} == {
        "CHAIRs": 0,
        "object_mAP_words": 0,
        "objects_never_predicted": 1,
        "object_recall": 0,
    }
