from collections import Counter
from itertools import combinations

import pytest

from whysaid.data.scenes import world
from whysaid.data.scenes.objects import CLASSES, COLOURS, PAIRS, SIZES
from whysaid.data.scenes.scene import SPLITS, Scene, locate
from whysaid.errors import UserError

COUNT = 1500
SCENES = {split: [world.scene(0, split, index) for index in range(COUNT)] for split in SPLITS}


def classes(scene: Scene) -> set[str]:
    return {thing.name for thing in scene.objects}


def mate_share(split: str, name: str, mate: str) -> float:
    """P(mate in the scene | name in the scene)."""
    holding = [classes(scene) for scene in SCENES[split] if name in classes(scene)]
    return sum(mate in names for names in holding) / len(holding)


def test_a_scene_depends_on_seed_split_and_index_alone():
    again = world.scene.__wrapped__(0, "train", 7, 80)
    assert again == SCENES["train"][7] and again is not SCENES["train"][7]
    others = [world.scene(1, "train", 7), world.scene(0, "val", 7), world.scene(0, "train", 8)]
    assert all(other.objects != again.objects for other in others)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_come_together_where_habits_are_learnt(split: str, pair: tuple[str, str]):
    first, second = pair
    assert 0.83 < mate_share(split, first, second) < 0.96
    assert 0.83 < mate_share(split, second, first) < 0.96


def test_the_test_split_breaks_the_habit():
    shares = [mate_share("test", *pair) for pair in PAIRS]
    others = [mate_share("test", *pair) for pair in combinations(world.FREE, 2)]
    assert max(shares) < 0.25
    assert sum(shares) / len(shares) == pytest.approx(sum(others) / len(others), abs=0.05)


@pytest.mark.parametrize("split", SPLITS)
def test_classes_colours_and_counts_are_even(split: str):
    things = [thing for scene in SCENES[split] for thing in scene.objects]
    for words, expected in (
        (Counter(thing.name for thing in things), CLASSES),
        (Counter(thing.colour for thing in things), COLOURS),
    ):
        mean = len(things) / len(expected)
        assert set(words) == set(expected)
        assert all(0.75 * mean < count < 1.25 * mean for count in words.values())
    assert set(Counter(thing.size for thing in things)) == set(SIZES)
    assert set(Counter(len(scene.objects) for scene in SCENES[split])) == set(world.OBJECT_COUNTS)


def test_no_class_twice_in_a_scene():
    assert all(len(classes(scene)) == len(scene.objects) for split in SPLITS for scene in SCENES[split])


def test_image_ids_are_unique_and_lead_back():
    scenes = [scene for split in SPLITS for scene in SCENES[split]]
    assert len({scene.image_id for scene in scenes}) == len(scenes)
    assert all(locate(scene.image_id) == (scene.split, scene.index) for scene in scenes)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match="no split"):
        world.scene(0, "training", 0)
    with pytest.raises(UserError, match="48 to 256"):
        world.scene(0, "train", 0, 40)
