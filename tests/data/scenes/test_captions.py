import re

import pytest
from pycocoevalcap.cider.cider import Cider

from whysaid.data.scenes import world
from whysaid.data.scenes.captions import PLACES, RELATION_WORDS, SIZE_WORDS, captions, salience
from whysaid.data.scenes.objects import CLASSES, COLOURS, OBJECT_WORDS
from whysaid.data.scenes.relations import RELATIONS, depth, direction, related
from whysaid.data.scenes.scene import Scene, SceneObject

SCENES = [world.scene(0, split, index) for split in ("train", "test") for index in range(400)]
CAPTIONS = [captions(scene) for scene in SCENES]
CLASS_OF = {word: name for name, words in OBJECT_WORDS.items() for word in words}
SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}
PHRASE = re.compile(rf"\b(an?) (?:({'|'.join(SIZE_OF)}) )?(?:({'|'.join(COLOURS)}) )?({'|'.join(CLASS_OF)})\b")
CLOSE = "|".join(word for words in RELATION_WORDS.values() for word in words)
RELATED = re.compile(rf"({'|'.join(CLASS_OF)}) (?:is )?({CLOSE}) an? (?:\w+ ){{0,2}}?({'|'.join(CLASS_OF)})\b")


def pair(a: tuple[int, int], b: tuple[int, int], side: int = 20) -> Scene:
    objects = (
        SceneObject("ball", "red", "small", *a, side, 1.0, False),
        SceneObject("star", "blue", "small", *b, side, 1.0, False),
    )
    return Scene(0, "train", 0, 80, "tiles", objects)


def test_five_differ_and_are_the_same_on_every_call():
    assert all(len(set(five)) == 5 for five in CAPTIONS)
    assert [captions(scene) for scene in SCENES] == CAPTIONS


def test_plain_lower_case_words_of_a_small_vocabulary():
    texts = [caption for five in CAPTIONS for caption in five]
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)+", text) for text in texts)
    words = {word for text in texts for word in text.split()}
    assert 80 <= len(words) <= 120
    assert set(CLASS_OF) <= words


def test_no_word_names_two_classes():
    assert set(OBJECT_WORDS) == set(CLASSES)
    assert sum(map(len, OBJECT_WORDS.values())) == len(CLASS_OF)


def test_objects_sizes_and_colours_are_true():
    for scene, five in zip(SCENES, CAPTIONS, strict=True):
        shown = {thing.name: thing for thing in scene.objects}
        for caption in five:
            phrases = PHRASE.findall(caption)
            assert len(phrases) == sum(word in CLASS_OF for word in caption.split()) >= 1
            for article, size, colour, word in phrases:
                thing = shown[CLASS_OF[word]]
                assert not size or SIZE_OF[size] == thing.size
                assert not colour or colour == thing.colour
                assert (article == "an") == ((size or colour or word)[0] in "aeiou")


def holds(words: str, scene: Scene, a: int, b: int) -> bool:
    """Whether `words` are true of objects `a` and `b`, from their centres and their order alone."""
    (ax, ay), (bx, by) = scene.objects[a].centre, scene.objects[b].centre
    return {
        **{"to the left of": ax < bx, "left of": ax < bx, "to the right of": ax > bx, "right of": ax > bx},
        **{"above": ay < by, "over": ay < by, "below": ay > by, "under": ay > by},
        **{"in front of": a > b, "behind": a < b},
        **dict.fromkeys(("next to", "near", "beside"), max(abs(ax - bx), abs(ay - by)) < 0.6 * scene.size),
    }[words]


def test_relations_are_true():
    related = 0
    for scene, five in zip(SCENES, CAPTIONS, strict=True):
        index = {thing.name: number for number, thing in enumerate(scene.objects)}
        for first, words, second in (match for caption in five for match in RELATED.findall(caption)):
            assert holds(words, scene, index[CLASS_OF[first]], index[CLASS_OF[second]]), (first, words, second)
            related += 1
    assert related > 1000


def test_the_ground_is_called_by_its_name():
    for scene, five in zip(SCENES, CAPTIONS, strict=True):
        for caption in five:
            named = {kind for kind, places in PLACES.items() if caption.endswith(places)}
            assert named <= {scene.background}


def test_a_big_object_is_named_before_a_small_one():
    scene = pair((5, 5), (50, 50))
    big = SceneObject("car", "red", "big", 30, 5, 38, 1.0, False)
    scene = Scene(0, "train", 0, 80, "tiles", (*scene.objects, big))
    assert salience(scene)[0] == 2
    assert all("car" in text or "automobile" in text for text in captions(scene))


@pytest.mark.parametrize(
    ("a", "b", "relation", "inverse"),
    [
        ((5, 30), (50, 32), "left of", "right of"),
        ((30, 5), (32, 50), "above", "below"),
        ((5, 5), (45, 45), None, None),
        ((5, 5), (9, 5), None, None),
    ],
)
def test_direction(a: tuple[int, int], b: tuple[int, int], relation: str | None, inverse: str | None):
    scene = pair(a, b)
    assert direction(scene, 0, 1) == relation
    assert direction(scene, 1, 0) == inverse
    for word in RELATIONS[:4]:
        assert related(scene, 1, word) == (0 if word == relation else None)


def test_depth():
    scene = pair((20, 20), (26, 20))
    assert (depth(scene, 0, 1), depth(scene, 1, 0)) == ("behind", "in front of")
    assert depth(pair((5, 5), (50, 50)), 0, 1) is None
    assert related(scene, 0, "in front of") == 1 and related(scene, 0, "behind") is None


def test_one_person_agrees_with_the_others_as_people_do():
    references = {number: five[:4] for number, five in enumerate(CAPTIONS)}
    held_out = {number: five[4:] for number, five in enumerate(CAPTIONS)}
    cider, _ = Cider().compute_score(references, held_out)
    assert 1.0 < cider < 3.0
