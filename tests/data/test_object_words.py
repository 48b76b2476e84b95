import pytest

from whysaid.data.object_words import ObjectWords, coco_objects, plural

SMALL = {
    "bus": [],
    "person": ["man", "woman"],
    "drinking_glass": ["glass"],
    "dog": ["puppy"],
    "hot dog": [],
    "knife": [],
}


@pytest.mark.parametrize(
    ("singular", "many"),
    [
        ("glass", "glasses"),
        ("bus", "buses"),
        ("person", "people"),
        ("knife", "knives"),
        ("mouse", "mice"),
        ("fireman", "firemen"),
        ("human", "humans"),
        ("puppy", "puppies"),
        ("boy", "boys"),
        ("bench", "benches"),
        ("sheep", "sheep"),
        ("giraffe", "giraffes"),
        ("wine glass", "wine glasses"),
    ],
)
def test_plural(singular, many):
    assert plural(singular) == many


def test_both_numbers_of_every_word_are_found():
    words = ObjectWords(SMALL)
    for phrase, category in [
        ("glass", "drinking_glass"),
        ("women", "person"),
        ("puppies", "dog"),
        ("hot dogs", "hot dog"),
    ]:
        assert words.mentioned(f"some {phrase} here") == [category]
    assert words.mentioned("a drinking glass") == ["drinking_glass"]
    assert words.mentioned("Buses, a BUS; People and the dog's knives") == ["bus", "bus", "person", "dog", "knife"]
    assert words.mentioned("a dogma of busy glassware, gla, knif") == []
    assert words.mentioned("") == ObjectWords({}).mentioned("a dog") == []


def test_phrases_that_are_no_objects_win_over_their_words():
    words = ObjectWords(SMALL, not_objects=["dog house", "bus"])
    assert words.mentioned("two dog houses, a dog and a bus") == ["dog"]


@pytest.mark.parametrize(
    ("caption", "categories"),
    [
        ("a hot dog on a plate", ["hot dog"]),
        ("hot-dogs and a dog", ["hot dog", "dog"]),
        ("a teddy bear on a bed", ["teddy bear", "bed"]),
        ("traffic lights and stop signs", ["traffic light", "stop sign"]),
        ("toilet paper on the floor", []),
        ("a roll of toilet paper by the toilet", ["toilet"]),
        ("a man in glasses", ["person"]),
        ("wine glasses and two glasses of wine", ["wine glass", "wine glass"]),
        ("a baby elephant", ["elephant"]),
        ("the baby with a cell phone", ["person", "cell phone"]),
        ("a passenger train on train tracks", ["train"]),
        ("a couple of zebras", ["zebra"]),
        ("a couple sits", ["person"]),
        ("a fire truck at a fire hydrant", ["truck", "fire hydrant"]),
        ("computer mice", ["mouse"]),
        ("a man in a bow tie at home plate", ["person", "tie"]),
        ("sheep and geese", ["sheep", "bird"]),
        ("a motor bike", ["motorcycle"]),
        ("carrot cake", ["cake"]),
    ],
)
def test_coco_traps(caption, categories):
    assert coco_objects().mentioned(caption) == categories


def test_coco_has_its_eighty_and_each_finds_itself():
    words = coco_objects()
    assert len(words.categories) == 80
    for category in words.categories:
        assert words.mentioned(f"the {category} there") == [category]


def test_no_coco_word_belongs_to_two_categories():
    from pathlib import Path

    import yaml

    import whysaid.data.object_words as module

    table = yaml.safe_load(Path(module.__file__).with_name("coco_objects.yaml").read_text())
    words = [word for category, group in table["categories"].items() for word in (category, *group)]
    words += table["not_objects"]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_mentions_are_located_among_the_captions_own_words():
    mentions = coco_objects().located("the man 's t-shirt and hot dogs by a double-decker bus")
    assert [tuple(mention) for mention in mentions] == [("person", 1, 1), ("hot dog", 5, 6), ("bus", 9, 10)]
