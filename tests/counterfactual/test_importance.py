import numpy as np
import pytest
import torch
from PIL import Image

from tests.studies.planted import PATCHES, Planted
from whysaid.counterfactual.importance import TRUE, Importance, shrunk
from whysaid.counterfactual.recaption import Recaption, recaption, same_word_distance, shared, summed_distance
from whysaid.counterfactual.view import photo_objects
from whysaid.data.instances import Instance
from whysaid.data.vocabulary import END, SPECIALS, Vocabulary
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError
from whysaid.tasks.writer import Writer

VOCABULARY = Vocabulary([*SPECIALS, "cat", "dog"])
CAT, DOG = 4, 5
BRIGHT = 3.0
"""Logit that a white patch 0 gives the cat, and a black one takes."""


def writer():
    """Says "cat" where the upper left patch is white, otherwise something else; then ends."""
    words, patches = torch.zeros(6, 6), torch.zeros(6, PATCHES)
    words[END, [CAT, DOG]] = 50
    patches[CAT, 0] = BRIGHT
    return Writer(Planted(words, patches), VOCABULARY, Greedy(4))


def photo():
    """Gray, with a white square in the upper left corner and one in the lower right."""
    pixels = np.full((8, 8, 3), 64, np.uint8)
    pixels[:2, :2] = pixels[6:, 6:] = 255
    return Image.fromarray(pixels)


def square(number, left, top, side, **more):
    corners = [[left, top, left + side, top, left + side, top + side, left, top + side]]
    return Instance(number, "thing", (left, top, side, side), (8, 8), **{"segmentation": corners, **more})


class Words:
    """1 for other words, 0 for the same."""

    def distances(self, sentence, others):
        return torch.tensor([float(other != sentence) for other in others])


class Black:
    """Fills with black, and puts noise where it should not; notes what it is given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images, masks):
        self.shapes.append((tuple(images.shape), tuple(masks.shape)))
        return torch.rand_like(images) * (1 - masks)


OBJECTS = [square(1, 0, 0, 2), square(2, 6, 6, 2)]


def importance(inpainter=None, **settings):
    return Importance({"black": inpainter or Black()}, Words(), **settings)


def test_what_the_caption_depends_on_is_important():
    effects = importance()(writer(), photo(), OBJECTS)
    assert effects.original.words == ["cat"]
    first, second = (effect.changes["black"] for effect in effects.objects)
    assert first.words != ["cat"] and first.distance == 1
    assert second.words == ["cat"] and (second.distance, second.drop, second.attention_same) == (0, 0, 0)


def test_the_lost_probability_by_hand():
    """The caption is `cat <end>`; of the first word, the cat's logit falls from 3 to −3 (a pixel x is read as
    2 x − 1); behind the cat, `<end>` has 50 more and the patch counts twice."""
    first = importance()(writer(), photo(), OBJECTS).objects[0].changes["black"]

    def log_p(patch):
        once, twice = torch.zeros(6), torch.zeros(6)
        once[CAT], twice[CAT], twice[END] = BRIGHT * patch, BRIGHT * patch, 50
        return float(once.log_softmax(0)[CAT] + twice.log_softmax(0)[END])

    assert first.drop == pytest.approx(log_p(1) - log_p(-1), abs=1e-5)
    assert first.drop > 4


def test_only_the_hole_changes_and_all_objects_are_one_batch():
    inpainter = Black()
    together = importance(inpainter)(writer(), photo(), OBJECTS)
    assert inpainter.shapes == [((2, 3, 8, 8), (2, 1, 8, 8))]
    alone = importance(single := Black(), at_once=1)(writer(), photo(), OBJECTS)
    assert len(single.shapes) == 2
    before = np.array(photo())
    for a, b in zip(together.objects, alone.objects, strict=True):
        picture = a.changes["black"].picture
        assert (picture[a.mask] == 0).all() and (picture[~a.mask] == before[~a.mask]).all()
        assert (picture == b.changes["black"].picture).all() and a.changes["black"].drop == b.changes["black"].drop


def test_a_wide_photo_and_a_large_one():
    wide = photo().resize((16, 8), Image.Resampling.NEAREST)
    effects = importance()(writer(), wide, OBJECTS)
    assert [effect.mask.shape for effect in effects.objects] == [(8, 16)] * 2
    assert effects.objects[0].mask[:2, :4].all() and effects.objects[0].share == 8 / 128
    assert effects.objects[0].changes["black"].picture.shape == (8, 16, 3)
    assert shrunk(Image.new("RGB", (300, 200)), 100).size == (150, 100)
    assert shrunk(photo(), 8) == photo()
    large = photo().resize((64, 64), Image.Resampling.NEAREST)
    assert importance(side=8)(writer(), large, OBJECTS).pixels.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        (square(1, 0, 0, 2, crowd=True), "crowd"),
        (square(1, 0, 0, 2, segmentation=None), "no outline"),
        (square(1, 0, 0, 1), "too small"),
        (square(1, 0, 0, 6), "too large"),
        (square(1, 0, 0, 4), ""),
    ],
)
def test_what_is_left_in(instance, reason):
    inpainter = Black()
    effects = importance(inpainter, smallest=0.05, largest=0.25)(writer(), photo(), [instance])
    assert effects.objects[0].skipped == reason
    assert bool(effects.objects[0].changes) == bool(inpainter.shapes) == (not reason)


def test_a_hole_that_dilation_makes_the_whole_photo():
    effect = importance(largest=1.0, dilate=400)(writer(), photo(), [square(1, 1, 1, 6)]).objects[0]
    assert effect.skipped == "too large"


def test_where_the_captioner_looked_before_and_after():
    effects = importance()(writer(), photo(), OBJECTS)
    shown = photo_objects(effects)
    side = int(PATCHES**0.5)
    assert effects.grid == (side, side)
    changes = [effect.changes["black"] for effect in effects.objects]
    for told_, looked, on_grid in [
        (effects.original, effects.original.looked, shown.attention),
        *((effect, effect.attention, part.attention) for effect, part in zip(changes, shown.parts, strict=True)),
    ]:
        assert on_grid.shape == (side, side) and (on_grid.flatten() == looked).all()
        assert on_grid.sum() == pytest.approx(1 if told_.words else 0)
    assert [part.moved for part in shown.parts] == [(effect.attention_same, effect.attention_sum) for effect in changes]
    assert recaption_of("a cat", [[1, 0, 0], [0, 1, 0]]).looked.tolist() == [0.5, 0.5, 0]
    assert recaption_of("", np.zeros((0, 3))).looked.tolist() == [0, 0, 0]


def test_the_truth_stands_beside_the_inpainters():
    plain = Image.new("RGB", (8, 8), (64, 64, 64))
    effects = importance()(writer(), photo(), OBJECTS, truth=lambda effect: plain)
    for effect in effects.objects:
        assert list(effect.changes) == ["black", TRUE] and (effect.changes[TRUE].picture == 64).all()


def test_objects_are_looked_for_where_none_are_annotated():
    effects = importance(detector=lambda photo, device: OBJECTS[1:])(writer(), photo())
    assert [effect.instance.id for effect in effects.objects] == [2]
    assert importance(detector=lambda photo, device: OBJECTS)(writer(), photo(), []).objects == []
    with pytest.raises(UserError, match="not annotated: choose detector=mask_rcnn"):
        importance()(writer(), photo())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"smallest": 0.3}, "0 ≤ 0.3"), ({"largest": 2.0}, "≤ 1 fails")],
)
def test_sizes_that_no_object_has(settings, message):
    with pytest.raises(UserError, match=message):
        importance(**settings)


def test_no_inpainter_is_left():
    with pytest.raises(UserError, match="there is no inpainter"):
        Importance({"gan": None}, Words())


def test_the_probability_of_the_caption_that_is_asked_for():
    task, dark = writer(), Image.new("RGB", (8, 8))
    (own,) = recaption(task, [photo()])
    asked, again = recaption(task, [dark, photo()], own.tokens)
    assert again.log_p == pytest.approx(own.log_p, abs=1e-6) and asked.log_p < own.log_p
    assert own.attention.shape == (1, PATCHES) and own.attention.sum() == pytest.approx(1)


def recaption_of(words, attention):
    return Recaption(torch.zeros(1), words.split(), np.array(attention, float), 0.0)


def test_words_are_paired_as_often_as_both_have_them():
    assert shared(["a", "cat", "and", "a", "dog"], ["a", "dog", "a"]) == [(0, 0), (3, 2), (4, 1)]
    assert shared(["a"], ["the"]) == []


def test_how_far_attention_moves():
    before = recaption_of("a cat", [[1, 0, 0], [0, 1, 0]])
    after = recaption_of("cat sleeps", [[0, 0.5, 0.5], [0, 0, 1]])
    assert same_word_distance(before, after) == 0.5
    assert summed_distance(before, after) == pytest.approx(0.75)  # (½ ½ 0) against (0 ¼ ¾)
    assert same_word_distance(before, recaption_of("dog", [[1, 0, 0]])) is None
    assert summed_distance(before, recaption_of("", np.zeros((0, 3)))) is None
    assert same_word_distance(before, before) == summed_distance(before, before) == 0
