import pytest
import torch

from tests.studies.planted import PATCHES, SIDE, Fixed, Planted, group, one_patch
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.patch_ablation import RANDOM, PatchAblation
from whysaid.tasks.writer import Writer

BALL, SPHERE, BOX, SEEN = 4, 5, 6, 9
"""Two words for one object, a third word, and the patch where the object is."""

WORDS = ObjectWords({"toy": ["ball", "sphere"]})
METHODS = {"right": Fixed(pixels=one_patch(SEEN)), "wrong": Fixed(pixels=-one_patch(SEEN))}


def writer(instead: int) -> Writer:
    """Says `ball` where the patch is bright, otherwise the word `instead`, and then ends."""
    patches, words = torch.zeros(7, PATCHES), torch.zeros(7, 7)
    patches[BALL, SEEN], patches[instead, SEEN] = 4.0, -4.0
    words[2, [BALL, instead]] = 50.0
    return Writer(Planted(words, patches), Vocabulary([*SPECIALS, "ball", "sphere", "box"]), Greedy(max_length=3))


def scene():
    image = (2 * one_patch(SEEN) - 1).expand(1, 3, SIDE, SIDE).clone()
    return group(image, torch.tensor([[BALL, 2]]), [ObjectMention(0, 0, "ball", "toy", True)])


def measured(instead: int):
    """One patch of sixteen taken: the right one, a wrong one, and for `random` the right one in one draw of four."""
    study = PatchAblation(METHODS, patches=1, patch=2, draws=4)
    removed = torch.zeros(6, PATCHES, dtype=torch.bool)
    removed[[0, 1, 2, 3, 4, 5], [SEEN, 0, SEEN, 1, 2, 3]] = True
    return study.measure(writer(instead), WORDS, scene(), scene().mentions[0], 7, removed)


@pytest.mark.parametrize(("instead", "unmentioned"), [(BOX, 1.0), (SPHERE, 0.0)])
def test_the_word_disappears_with_its_patch(instead, unmentioned):
    word = measured(instead)
    assert word.image_id == 7
    assert word.gone == {"right": 1.0, "wrong": 0.0, RANDOM: 0.25}
    assert word.unmentioned == {"right": unmentioned, "wrong": 0.0, RANDOM: unmentioned / 4}


def test_the_probability_falls_as_it_must():
    word, mean = measured(BOX), (2 - PATCHES) / PATCHES

    def p(brightness: float) -> float:
        return float((4 * brightness * torch.tensor([0, 0, 0, 0, 1.0, 0, -1.0])).softmax(0)[BALL])

    assert word.p == pytest.approx(p(1.0), rel=1e-5)
    assert word.fall["right"] == pytest.approx(p(1.0) - p(mean), rel=1e-5)
    assert word.fall["wrong"] == pytest.approx(0, abs=1e-6)
    assert word.fall[RANDOM] == pytest.approx(word.fall["right"] / 4, rel=1e-5)


def test_the_table():
    study = PatchAblation(METHODS, patches=1, patch=2, draws=4, against="right")
    outcome = study._outcome([measured(BOX)] * 3, "val", PATCHES)
    rows = {row["method"]: row for row in outcome.rows}
    assert list(rows) == ["right", "wrong", RANDOM]
    assert rows["right"]["gone"] == 1 and rows["right"]["p"] is None and rows[RANDOM]["unmentioned"] == 0.25
    assert outcome.metrics["val/patch_ablation_right"] == 1.0
    assert outcome.metrics["val/patch_ablation_fall_wrong"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"against": "nobody"}, "study.against=nobody"), ({"patches": 0}, "patches ≥ 1"), ({"draws": 0}, "draws ≥ 1")],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        PatchAblation(METHODS, **settings)
