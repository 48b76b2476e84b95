from typing import Any

import numpy as np
import pytest
import torch

from tests.figures.checks import assert_legible, texts
from tests.studies.planted import PATCHES, SIDE, Fixed, Planted, captioned, group, one_patch
from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Explanation
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.fills import Fill
from whysaid.errors import UserError
from whysaid.metrics.auc import auc
from whysaid.metrics.hallucination import Hallucination
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.common.held_out import held_out
from whysaid.studies.common.judged import JudgedWord, judged_mentions
from whysaid.studies.hallucination_auc.readings import Readings
from whysaid.studies.hallucination_auc.scores import score
from whysaid.studies.hallucination_auc.sheet import HallucinatedSheet
from whysaid.studies.hallucination_auc.study import HallucinationAUC
from whysaid.studies.hallucination_auc.words import often_named

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
    explained = explanation(pixels)
    scores = {by: score(explained, by, 0, 1) for by in ("mean", "max", "mean_abs", "normalised", "region_max")}
    assert scores == {"mean": -1, "max": 4, "mean_abs": 3, "normalised": -1 / 8, "region_max": 2 * (PATCHES - 1)}
    assert score(explained, "normalised", 0, 0) == 0  # a map of nothing


def test_repeats_count_once_with_the_mean_of_their_scores():
    pixels = torch.zeros(2, 2, 1, SIDE, SIDE)
    pixels[0, 0], pixels[0, 1], pixels[1, 0] = 1, 4, 7  # places 0 and 2
    both = group(torch.zeros(2, 3, SIDE, SIDE), TOKENS, NAMED)
    judged = list(study()._mentions(both, {"lrp": explanation(pixels), "attention": explanation(pixels)}))
    top = PATCHES - 1
    assert judged == [
        JudgedWord(1, "dog", False, {"L": 2.5, "L-max": 2.5, "Att": 1.5 * top}),
        JudgedWord(2, "cat", True, {"L": 7, "L-max": 7, "Att": top}),
    ]


def test_rare_words_are_left_out():
    judged = [JudgedWord(i, "dog" if i < 3 else "cat", True, {}) for i in range(5)]
    assert [word.word for word in often_named(judged, 1)] == ["dog"] * 3 + ["cat"] * 2
    assert [word.word for word in often_named(judged, 2)] == ["dog"] * 3
    assert often_named(judged, 3) == []


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
    batch = captioned(captioner(), torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    batch.references = [("a cat",), ("a cat and a cat",)]
    table = ObjectWords({"dog": [], "cat": [], "ball": []})
    judged = judged_mentions(batch, Hallucination(table))
    assert [(name.row, name.word, name.supported) for name in judged] == [
        (0, "dog", False),
        (0, "dog", False),
        (1, "cat", True),
        (1, "ball", False),
    ]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"L": {"method": "lrp", "by": "median"}}, "study.scores.L is median of lrp"),
        ({"L": {"method": "lime", "by": "mean"}}, "study.scores.L is mean of lime"),
        ({"L": None}, "no score is left"),
        ({"p": {"method": "captioner", "by": "mean"}}, "study.scores.p is mean of captioner"),
    ],
)
def test_scores_that_there_are_not(scores, message):
    with pytest.raises(UserError, match=message):
        study(scores=scores)


def test_the_sheet_draws_among_all_hallucinated_words_and_shows_them():
    model, images = captioner(), torch.rand(2, 3, SIDE, SIDE)
    pixels = torch.rand(2, 2, 1, SIDE, SIDE) - 0.5
    both = group(images, TOKENS, NAMED, CAPTIONS)
    sheet = HallucinatedSheet(3, 0, {"lrp": Fixed(pixels=one_patch(0)), "sentinel": Sentinel()})
    for _ in range(4):
        sheet.add(model, both, {"lrp": explanation(pixels), "sentinel": explanation(pixels)})
    assert len(sheet.words) == 3 and {word.place for word in sheet.words} <= {0, 2}
    assert all(word.signed == {"LRP"} for word in sheet.words)
    figure = sheet.figures()["words"]
    assert_legible(figure)
    assert texts(figure).count("LRP") == 2 and "sentinel" not in texts(figure)
    assert HallucinatedSheet(0, 0, {}).figures() == {}


def read_by(fill: Fill | None, **more: Any) -> Readings:
    wanted = {"p": ("captioner", "log_p"), "c": ("captioner", "certainty"), "r": ("removal", "log_p")}
    return Readings({**wanted, **more}, fill, captioner(), None)  # type: ignore[arg-type]


def test_how_sure_the_captioner_was_is_a_score():
    batch = captioned(captioner(), torch.zeros(2, 3, SIDE, SIDE), TOKENS, CAPTIONS)
    read = read_by(None)(batch, NAMED)
    assert list(read) == ["p", "c"] and list(read["p"]) == [(1, 0), (1, 2), (2, 0)]
    assert list(read["p"].values()) == pytest.approx([-np.log(V)] * 3)
    assert list(read["c"].values()) == pytest.approx([-np.log(V)] * 3)  # minus the entropy of V equal words
    both = group(torch.zeros(2, 3, SIDE, SIDE), TOKENS, NAMED)
    given = {"p": {(1, 0): -1.0, (1, 2): -3.0, (2, 0): -4.0}}
    assert [word.scores for word in study()._mentions(both, {}, given)] == [{"p": -2.0}, {"p": -4.0}]


@pytest.mark.parametrize("of", [[], ["L", "nothing"]])
def test_mixtures_that_there_are_not(of):
    with pytest.raises(UserError, match=r"study\.mixtures\.M mixes"):
        study(mixtures={"M": of})


def test_a_mixture_knows_more_than_its_parts_and_judges_other_images():
    rng = np.random.default_rng(0)
    labels = rng.random(400) < 0.5
    parts = {name: labels + 1.5 * rng.normal(size=400) for name in ("L", "L-max")}
    judged = [
        JudgedWord(i // 2, "dog", bool(label), {name: float(of[i]) for name, of in parts.items()})
        for i, label in enumerate(labels)
    ]
    mixing = study(mixtures={"both": ["L", "L-max"], "absent": ["Att"]}, more_than=0, sheet=0)
    outcome = mixing._outcome(judged, 400, ["L", "L-max"], HallucinatedSheet(0, 0, {}), "GridTD", "test")
    areas = {row["score"]: row["auc"] for row in outcome.rows}
    assert list(areas) == ["L", "L-max", "both"] and areas["both"] > max(areas["L"], areas["L-max"])
    assert [(row["method"], row["by"]) for row in outcome.rows][-1] == ("mixture", "L + L-max")
    assert outcome.metrics["test/hallucination_auc_both"] == areas["both"]
    shuffled = held_out(rng.normal(size=(400, 2)), labels, np.arange(400), 1.0, 5, 0)
    assert 0.4 < float(auc(shuffled, labels)) < 0.6  # noise is noise on images that the fit has not seen
