"""The world scenes are drawn from: which objects come together, how they look, where they stand.

In the training and validation splits six pairs of classes (`PAIRS`) nearly always come together; in the test split any
class comes with any other. A captioner that trusts its habit more than its eyes hallucinates there.
"""

import random
from functools import lru_cache

import numpy as np

from whysaid.data.scenes.backgrounds import BACKGROUNDS
from whysaid.data.scenes.objects import CLASSES, COLOURS, PAIRS, SIZES
from whysaid.data.scenes.render import masks, silhouettes
from whysaid.data.scenes.scene import SPLITS, Scene, SceneObject
from whysaid.errors import UserError

OBJECT_COUNTS = (1, 2, 3, 4)
COUNT_WEIGHTS = (0.1, 0.3, 0.35, 0.25)

# Solved for: a mate is there in 90 % of the scenes with a paired class, and all sixteen classes are equally frequent.
PAIR_SHARE = 0.74
"""Probability that room for two is given to a pair."""
LONE_SHARE = 0.23
"""Probability that a single object is one of a pair without its mate."""

THEME_SHARE = 0.3
"""Probability that a scene has a colour of its own, so that there are three or four of one colour to count."""
THEME_PULL = 0.7
"""Probability that an object of such a scene takes that colour."""

SEEN = 0.6
"""Least share of an object's silhouette that others leave in sight."""

SHADES = (0.9, 0.95, 1.0, 1.05)
"""Each object of a scene takes another, so that two of one colour can be told apart where they overlap."""

MATES = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
FREE = tuple(name for name in CLASSES if name not in MATES)


@lru_cache(maxsize=1024)
def scene(seed: int, split: str, index: int, size: int = 80) -> Scene:
    """The scene of this number: the same on every call.

    Args:
        seed: of the world.
        split: `train`, `val` or `test`.
        index: from 0.
        size: side in pixels, 48–256.

    Raises:
        UserError: an unknown split, or a size out of range.
    """
    if split not in SPLITS:
        raise UserError(f"scenes have no split {split!r}: choose one of {', '.join(SPLITS)}")
    if not 48 <= size <= 256:
        raise UserError(f"scenes of {size} pixels cannot be drawn: choose a size from 48 to 256")
    rng = random.Random(f"{seed}/{split}/{index}/objects")
    count = rng.choices(OBJECT_COUNTS, COUNT_WEIGHTS)[0]
    names = rng.sample(CLASSES, count) if split == "test" else _habitual(count, rng)
    rng.shuffle(names)
    colours = _coloured(count, rng)
    background = rng.choice(BACKGROUNDS)
    while True:
        objects = _placed(names, colours, size, rng)
        drawn = Scene(seed, split, index, size, background, objects)
        if _in_sight(drawn):
            return drawn


def _habitual(count: int, rng: random.Random) -> list[str]:
    """Draws `count` classes; those of a pair nearly always together."""
    names: list[str] = []
    while len(names) < count:
        if count - len(names) >= 2 and rng.random() < PAIR_SHARE:
            names += rng.choice([pair for pair in PAIRS if not set(pair) & set(names)])
        elif rng.random() < LONE_SHARE:
            names.append(rng.choice([name for name in MATES if name not in names and MATES[name] not in names]))
        else:
            names.append(rng.choice([name for name in FREE if name not in names]))
    return names


def _coloured(count: int, rng: random.Random) -> list[str]:
    colours = list(COLOURS)
    theme = rng.choice(colours) if rng.random() < THEME_SHARE else None
    return [theme if theme and rng.random() < THEME_PULL else rng.choice(colours) for _ in range(count)]


def _placed(names: list[str], colours: list[str], size: int, rng: random.Random) -> tuple[SceneObject, ...]:
    shades = rng.sample(SHADES, len(names))
    objects = []
    for name, colour, shade in zip(names, colours, shades, strict=True):
        word = rng.choice(tuple(SIZES))
        side = round(SIZES[word] * size * rng.uniform(0.95, 1.05))
        left, top = rng.randint(0, size - side), rng.randint(0, size - side)
        objects.append(SceneObject(name, colour, word, left, top, side, shade, rng.random() < 0.5))
    return tuple(objects)


def _in_sight(drawn: Scene) -> bool:
    """Whether enough of every object is seen."""
    in_sight = np.count_nonzero(masks(drawn), (1, 2))
    return bool((in_sight >= SEEN * np.count_nonzero(silhouettes(drawn), (1, 2))).all())
