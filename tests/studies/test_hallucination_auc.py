import numpy as np
import pytest
import torch

from tests.figures.checks import assert_legible, texts
from tests.studies.planted import PATCHES, SIDE, Fixed, Planted, group, one_patch, written
from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Explanation
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.hallucination_auc.sheet import HallucinatedSheet
from whysaid.studies.hallucination_auc.study import HallucinationAUC, Judged, often_named, score

V = 8
TOKENS = torch.tensor([[4, 5, 6, 0], [5, 6, 4, 2]])
CAPTIONS = [["dog", "by", "dog"], ["cat", "and", "ball"]]
NAMED = [
    ObjectMention(0, 0, "dog", "dog", False),
    ObjectMention(0, 2, "dog", "dog", False),
    ObjectMention(1, 0, "cat", "cat", True),
]


def captioner() -> Planted:
    return Planted(torch.zeros(V, V), torch.zeros(V, PATCHES))


def study(**settings) -> HallucinationAUC:
    """L and L-max of `lrp`, and the best region of `attention`."""
    methods = {"lrp": Fixed(pixels=one_patch(0)), "attention": Fixed(pixels=one_patch(0))}
    scores = {
        "L": {"method": "lrp", "by": "mean"},
        "L-max": {"method": "lrp", "by": "max"},
        "Att": {"method": "attention", "by": "region_max"},
    }
    return HallucinationAUC(**{"methods": methods, "scores": scores, **settings})


def explanation(pixels: torch.Tensor) -> Explanation:
    shape = pixels.shape[:2]
    regions = torch.arange(PATCHES).expand(*shape, -1) * (1.0 + torch.arange(shape[1])[:, None])
    return Explanation(pixels, regions, torch.zeros(*shape, 4), torch.zeros(*shape))


def test_a_map_becomes_a_number_without_a_flip_of_its_sign():
    pixels = torch.zeros(1, 2, 3, 2, 2)
    pixels[0, 1, :, 0, 0] = torch.tensor([-3.0, 1.0, -6.0])  # colours are added: −8
    pixels[0, 1, :, 1, 1] = torch.tensor([1.0, 1.0, 2.0])
    one = explanation(pixels)
    found = {by: score(one, by, 0, 1) for by in ("mean", "max", "mean_abs", "normalised", "region_max")}
    assert found == {"mean": -1, "max": 4, "mean_abs": 3, "normalised": -1 / 8, "region_max": 2 * (PATCHES - 1)}
    assert score(one, "normalised", 0, 0) == 0  # a map of nothing


def test_repeats_count_once_with_the_mean_of_their_scores():
    pixels = torch.zeros(2, 2, 1, SIDE, SIDE)
    pixels[0, 0], pixels[0, 1], pixels[1, 0] = 1, 4, 7  # places 0 and 2
    both = group(torch.zeros(2, 3, SIDE, SIDE), TOKENS, NAMED)
    found = list(study()._mentions(both, {"lrp": explanation(pixels), "attention": explanation(pixels)}))
    top = PATCHES - 1
    assert found == [
        Judged(1, "dog", False, {"L": 2.5, "L-max": 2.5, "Att": 1.5 * top}),
        Judged(2, "cat", True, {"L": 7, "L-max": 7, "Att": top}),
    ]


def test_rare_words_are_left_out():
    found = [Judged(i, "dog" if i < 3 else "cat", True, {}) for i in range(5)]
    assert [word.word for word in often_named(found, 1)] == ["dog"] * 3 + ["cat"] * 2
    assert [word.word for word in often_named(found, 2)] == ["dog"] * 3
    assert often_named(found, 3) == []


def test_areas_intervals_and_p():
    rng = np.random.default_rng(0)
    labels, images = rng.random(60) < 0.5, np.repeat(np.arange(30), 2)
    scores = {"L": labels + 0.0, "L-max": rng.random(60), "Att": np.ones(60)}
    areas, p = study()._areas(scores, labels, images)
    assert areas["L"] == (1, 1, 1) and areas["Att"] == (0.5, 0.5, 0.5)
    assert areas["L-max"].low < areas["L-max"].value < areas["L-max"].high
    assert p["L"] is None and p["L-max"] == p["Att"] == 0
    _, same = study()._areas({"L": scores["L-max"], "Att": scores["L-max"]}, labels, images)
    assert same == {"L": None, "Att": 1}


def test_the_truth_is_that_of_the_measure():
    batch = written(captioner(), torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    batch.references = [("a cat",), ("a cat and a cat",)]
    table = ObjectWords({"dog": [], "cat": [], "ball": []})
    judged = study()._judged(batch, Hallucination(table))
    assert [(name.row, name.word, name.supported) for name in judged] == [
        (0, "dog", False),
        (0, "dog", False),
        (1, "cat", True),
        (1, "ball", False),
    ]


def test_a_captioner_without_sentinel_has_no_such_score():
    methods = {"lrp": Fixed(pixels=one_patch(0)), "sentinel": Sentinel()}
    scores = {name: {"method": name, "by": "mean"} for name in methods}
    batch = written(captioner(), torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    assert list(study(methods=methods, scores=scores)._applicable(captioner(), batch)) == ["lrp"]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"L": {"method": "lrp", "by": "median"}}, "study.scores.L is median of lrp"),
        ({"L": {"method": "lime", "by": "mean"}}, "study.scores.L is mean of lime"),
        ({"L": None}, "no score is left"),
    ],
)
def test_scores_that_there_are_not(scores, message):
    with pytest.raises(UserError, match=message):
        study(scores=scores)


def test_the_sheet_draws_among_all_hallucinated_words_and_shows_them():
    model, images = captioner(), torch.rand(2, 3, SIDE, SIDE)
    pixels = torch.rand(2, 2, 1, SIDE, SIDE) - 0.5
    both, batch = group(images, TOKENS, NAMED), written(model, images, TOKENS, CAPTIONS)
    sheet = HallucinatedSheet(3, seed=0, signed=["lrp"])
    for _ in range(4):
        sheet.add(model, both, {"lrp": explanation(pixels), "sentinel": explanation(pixels)}, batch)
    assert len(sheet.words) == 3 and {word.place for word in sheet.words} <= {0, 2}
    assert all(word.signed == {"LRP"} for word in sheet.words)
    figure = sheet.figures()["words"]
    assert_legible(figure)
    assert texts(figure).count("LRP") == 2 and "sentinel" not in texts(figure)
    assert HallucinatedSheet(0, seed=0).figures() == {}
