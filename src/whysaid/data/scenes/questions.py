"""Questions about scenes, of four types in equal shares, whose answers cannot be guessed from the question."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whysaid.data.scenes.objects import CLASSES, COLOURS, SIZES, VOWELS
from whysaid.data.scenes.relations import RELATIONS, related
from whysaid.data.scenes.scene import Scene

QUESTIONS_PER_SCENE = {"train": 6, "val": 2, "test": 2}
"""More to learn from: twelve thousand questions are soon known by heart."""

ANSWER_TYPES = {"is there a": "yes/no", "how many": "number", "what colour is": "other", "what is": "other"}
"""The four question types → VQA v2's type of their answers."""


class SceneQuestion(NamedTuple):
    """A question with one right answer, and the indices of the objects that decide it."""

    image_id: int
    type: str
    text: str
    answer: str
    deciding: tuple[int, ...]


def questions(scene: Scene) -> list[SceneQuestion]:
    """All that can be asked about a scene without anyone arguing about the answer."""
    return [*_existence(scene), *_counts(scene), *_colours(scene), *_positions(scene)]


def balanced(candidates: Iterable[SceneQuestion], count: int, key: str) -> list[SceneQuestion]:
    """About `count` questions, a quarter of each type, no answer likelier than another as far as there are enough.

    The r-th question of a wording and answer is taken before any (r + 1)-th; within a round, wording by wording. So
    every answer to a wording is as frequent as any other, until the candidates of one run out.

    Args:
        candidates: of a whole split.
        count: how many to choose.
        key: of the random draws.
    """
    by_type: dict[str, list[SceneQuestion]] = defaultdict(list)
    for question in candidates:
        by_type[question.type].append(question)
    rng = random.Random(key)
    chosen = [
        question for kind in ANSWER_TYPES for question in _rounds(by_type[kind], rng)[: count // len(ANSWER_TYPES)]
    ]
    return sorted(chosen, key=lambda question: question.image_id)


def _rounds(candidates: Sequence[SceneQuestion], rng: random.Random) -> list[SceneQuestion]:
    """The candidates in the order in which `balanced` takes them."""
    turn = {text: rng.random() for text in sorted({question.text for question in candidates})}
    taken: Counter[tuple[str, str]] = Counter()
    ranked = []
    for question in rng.sample(candidates, len(candidates)):
        ranked.append((taken[question.text, question.answer], turn[question.text], question))
        taken[question.text, question.answer] += 1
    return [question for *_, question in sorted(ranked)]


def _existence(scene: Scene) -> list[SceneQuestion]:
    """Asks `is there a red ball?`, in vain where a ball is of another colour or size, or where another thing is red."""
    things = scene.objects
    asked = []
    for index, thing in enumerate(things):
        for adjective in (*COLOURS, *SIZES):
            answer = "yes" if adjective in (thing.colour, thing.size) else "no"
            asked.append(_is_there(scene, f"{adjective} {thing.name}", answer, (index,)))
    rng = random.Random(f"{scene.key}/questions")
    absent = [name for name in CLASSES if name not in {thing.name for thing in things}]
    for colour in sorted({thing.colour for thing in things}):
        deciding = tuple(index for index, thing in enumerate(things) if thing.colour == colour)
        asked.append(_is_there(scene, f"{colour} {rng.choice(absent)}", "no", deciding))
    return asked


def _is_there(scene: Scene, words: str, answer: str, deciding: tuple[int, ...]) -> SceneQuestion:
    article = "an" if words[0] in VOWELS else "a"
    return SceneQuestion(scene.image_id, "is there a", f"is there {article} {words}?", answer, deciding)


def _counts(scene: Scene) -> list[SceneQuestion]:
    """Asks `how many things are there?`, `how many red things are there?`, from 1 to 4."""
    groups = {"things": tuple(range(len(scene.objects)))}
    for adjective in (*COLOURS, *SIZES):
        members = tuple(i for i, thing in enumerate(scene.objects) if adjective in (thing.colour, thing.size))
        groups[f"{adjective} things"] = members
    return [
        SceneQuestion(scene.image_id, "how many", f"how many {words} are there?", str(len(members)), members)
        for words, members in groups.items()
        if members
    ]


def _colours(scene: Scene) -> list[SceneQuestion]:
    """Asks `what colour is the ball?`"""
    return [
        SceneQuestion(scene.image_id, "what colour is", f"what colour is the {thing.name}?", thing.colour, (index,))
        for index, thing in enumerate(scene.objects)
    ]


def _positions(scene: Scene) -> list[SceneQuestion]:
    """Asks `what is left of the tree?`, which both objects decide."""
    asked = []
    for reference, thing in enumerate(scene.objects):
        for relation in RELATIONS:
            answer = related(scene, reference, relation)
            if answer is not None:
                text = f"what is {relation} the {thing.name}?"
                deciding = tuple(sorted((answer, reference)))
                asked.append(SceneQuestion(scene.image_id, "what is", text, scene.objects[answer].name, deciding))
    return asked
