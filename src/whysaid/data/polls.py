"""Questions whether an object is in a picture, yes and no in equal shares: POPE (Li et al. 2023) from annotations."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from whysaid.data.instances import Instances
from whysaid.errors import UserError

KINDS = ("random", "popular", "adversarial")
"""How the absent objects are drawn: each with the same chance; the most frequent ones; those that most often come
together with the objects that are there."""


@dataclass(frozen=True)
class Poll:
    """One question.

    Attributes:
        image_id: of the picture.
        text: the question as it is asked.
        object: that it asks for; None of a question about anything else.
        yes: whether that is the right answer.
        path: of the picture; None where it is one of the data set's, to be found by its id.
    """

    image_id: int
    text: str
    object: str | None
    yes: bool
    path: Path | None = None


def polls(
    instances: Instances,
    images: Iterable[int],
    kind: str,
    wording: str,
    per_image: int = 3,
    objects: int = 1,
    seed: int = 0,
) -> list[Poll]:
    """Asks for objects that are in a picture, and for as many that are not.

    Frequencies, and which objects come together, are counted over all the images.

    Args:
        instances: what is annotated.
        images: ids; those without annotations are left out.
        kind: one of `KINDS`.
        wording: of the question, with `{object}` and, where it is wanted, `{article}` in front of it.
        per_image: objects asked for that are there, at most, and so many that are not; paper: 3.
        objects: kinds of objects that a picture holds at least; paper: more than 3.
        seed: of what is drawn.

    Raises:
        UserError: there is no such kind, or nothing is annotated.
    """
    if kind not in KINDS:
        raise UserError(f"study.kinds has no {kind!r}: choose among {', '.join(KINDS)}")
    present = {i: {thing.category for thing in instances.objects.get(i, ())} for i in images if i in instances.covered}
    if not any(present.values()):
        raise UserError("no object of these images is annotated: polling needs annotations/instances_*.json")
    frequency = Counter(name for names in present.values() for name in names)
    together = Counter(pair for names in present.values() for pair in permutations(sorted(names), 2))
    questions = []
    for image_id, names in present.items():
        if len(names) < max(objects, 1):
            continue
        rng = np.random.default_rng((seed, image_id))
        asked = [str(name) for name in rng.permutation(sorted(names))[:per_image]]
        absent = [str(name) for name in rng.permutation(sorted(instances.covered[image_id] - names))]
        if kind == "popular":
            absent.sort(key=lambda name: -frequency[name])
        elif kind == "adversarial":
            absent = _companions(asked, absent, together)
        number = min(len(asked), len(absent))
        for name, yes in [(n, True) for n in asked[:number]] + [(n, False) for n in absent[:number]]:
            questions.append(Poll(image_id, worded(wording, name), name, yes))
    return questions


def _companions(asked: Sequence[str], absent: Sequence[str], together: Mapping[tuple[str, str], int]) -> list[str]:
    """For each object that is there, in turn, the absent one that most often comes with it and is not yet taken."""
    taken: list[str] = []
    for name in asked:
        left = [other for other in absent if other not in taken]
        if left:
            taken.append(max(left, key=lambda other: together[name, other]))
    return taken


def worded(wording: str, name: str) -> str:
    """A question for an object.

    >>> worded("is there {article} {object}?", "umbrella")
    'is there an umbrella?'
    """
    return wording.format(object=name, article="an" if name[0] in "aeiou" else "a")
