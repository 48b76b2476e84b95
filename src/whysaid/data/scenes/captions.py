"""Five people describe a scene.

Each picks a way of speaking, names the most salient things first (the big before the small), may leave out the rest,
and gives a colour, a size, a synonym or the place as the mood takes them. All they say is true.
"""

import random

import numpy as np

from whysaid.data.scenes.objects import OBJECT_WORDS, VOWELS
from whysaid.data.scenes.relations import depth, direction, near
from whysaid.data.scenes.render import masks
from whysaid.data.scenes.scene import Scene

CAPTIONS_PER_SCENE = 5

# Probabilities of one person's choices.
TELLS_COLOUR = 0.7
TELLS_SIZE = 0.35
TELLS_PLACE = 0.35
USES_SYNONYM = 0.2
USES_NEAR = 0.2
"""A vague word where a relation could be named."""
FIRST_ONLY, FIRST_TWO, ALL = 0.1, 0.5, 0.4
"""How much of a scene with more than one object is named."""

SIZE_WORDS = {"small": ("small", "small", "little"), "big": ("big", "big", "large")}

RELATION_WORDS = {
    "left of": ("to the left of", "to the left of", "left of"),
    "right of": ("to the right of", "to the right of", "right of"),
    "above": ("above", "above", "over"),
    "below": ("below", "below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind",),
    "near": ("next to", "next to", "near", "beside"),
}

PLACES = {
    "tiles": ("on a tiled wall", "on tiles"),
    "stripes": ("on a striped wall", "on stripes"),
    "checks": ("on a checked cloth", "on checks"),
    "bricks": ("on a brick wall", "on bricks"),
    "planks": ("on wooden planks", "on a wooden wall"),
    "dots": ("on a dotted cloth", "on dots"),
    "meadow": ("in a meadow", "on the hills"),
    "sea": ("at the sea", "by the water"),
    "mountains": ("in the mountains", "before mountains"),
    "sunset": ("at sunset", "in the evening"),
}
"""Ground → how it is called."""

OPENINGS = ("", "", "", "there is ", "a picture of ", "a picture showing ", "we see ")

NUMBERS = {3: "three", 4: "four"}


def captions(scene: Scene) -> list[str]:
    """Five different captions of a scene, lower case, words separated by single spaces; the same on every call."""
    rng = random.Random(f"{scene.key}/captions")
    said: dict[str, None] = {}
    while len(said) < CAPTIONS_PER_SCENE:
        said[_caption(scene, rng)] = None
    return list(said)


def salience(scene: Scene) -> list[int]:
    """Indices of the objects, the one with most pixels in sight first."""
    areas = np.count_nonzero(masks(scene), (1, 2))
    return sorted(range(len(areas)), key=lambda index: -areas[index])


def _caption(scene: Scene, rng: random.Random) -> str:
    order = salience(scene)
    count = _mentions(len(order), rng)
    named = order[:count]
    if count == 1:
        text = rng.choice(OPENINGS) + _phrase(scene, named[0], rng)
    elif count == 2:
        text = _two(scene, named, rng)
    else:
        text = _many(scene, named, rng)
    place = rng.choice(PLACES[scene.background]) if rng.random() < TELLS_PLACE else ""
    return f"{text} {place}".strip()


def _mentions(count: int, rng: random.Random) -> int:
    """Draws how many of `count` objects a person names: the two most salient, or all, or seldom the first alone."""
    if count == 1:
        return 1
    return rng.choices((1, 2, count), (FIRST_ONLY, FIRST_TWO, ALL))[0]


def _two(scene: Scene, named: list[int], rng: random.Random) -> str:
    first, second = (_phrase(scene, index, rng) for index in named)
    relation = _relation(scene, named[0], named[1], rng)
    return rng.choice(
        (
            f"{first} {relation} {second}",
            f"{first} {relation} {second}",
            f"{first} is {relation} {second}",
            f"{first} and {second}",
            f"{first} with {second}",
            f"there is {first} {relation} {second}",
            f"a picture of {first} and {second}",
        )
    )


def _many(scene: Scene, named: list[int], rng: random.Random) -> str:
    phrases = [_phrase(scene, index, rng) for index in named]
    first, second, *rest = phrases
    listed = " and ".join(rest)
    relation = _relation(scene, named[0], named[1], rng)
    choices = [
        f"{first} {relation} {second} with {listed}",
        f"{first} and {second} with {listed}",
        f"there is {first} and {second} and {listed}",
        f"{NUMBERS[len(named)]} things with {first} {relation} {second} and {listed}",
    ]
    if len(named) == 4:
        last = _relation(scene, named[2], named[3], rng)
        choices += 2 * [f"{first} {relation} {second} and {rest[0]} {last} {rest[1]}"]
    return rng.choice(choices)


def _phrase(scene: Scene, index: int, rng: random.Random) -> str:
    """Names an object: `a big red ball`, or less of it."""
    thing = scene.objects[index]
    words = []
    if rng.random() < TELLS_SIZE:
        words.append(rng.choice(SIZE_WORDS[thing.size]))
    if rng.random() < TELLS_COLOUR:
        words.append(thing.colour)
    name, *synonyms = OBJECT_WORDS[thing.name]
    words.append(rng.choice(synonyms) if synonyms and rng.random() < USES_SYNONYM else name)
    article = "an" if words[0][0] in VOWELS else "a"
    return " ".join((article, *words))


def _relation(scene: Scene, a: int, b: int, rng: random.Random) -> str:
    """Words that relate `a` to `b`: depth where one hides the other, else the direction, else nearness, else `with`."""
    relation = depth(scene, a, b) or direction(scene, a, b)
    if near(scene, a, b) and (relation is None or rng.random() < USES_NEAR):
        relation = "near"
    return rng.choice(RELATION_WORDS[relation]) if relation else "with"
