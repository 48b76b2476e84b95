from collections import Counter, defaultdict

import pytest

from whysaid.data.scenes import world
from whysaid.data.scenes.objects import COLOURS
from whysaid.data.scenes.questions import ANSWER_TYPES, SceneQuestion, balanced, questions
from whysaid.data.scenes.scene import SceneObject

COUNT = 1200
SCENES = {scene.image_id: scene for scene in (world.scene(0, "train", index) for index in range(COUNT))}
CANDIDATES = [question for scene in SCENES.values() for question in questions(scene)]
CHOSEN = balanced(CANDIDATES, 2 * COUNT, "key")


def beyond(relation: str, thing: SceneObject, other: SceneObject) -> bool:
    """Whether the centre of `thing` lies on that side of `other`'s, however little."""
    (x, y), (u, v) = thing.centre, other.centre
    return {"left of": x < u, "right of": x > u, "above": y < v, "below": y > v}[relation]


def answer(question: SceneQuestion) -> str:
    """The answer worked out anew from the words of the question."""
    things = SCENES[question.image_id].objects
    words = question.text.rstrip("?").split()
    if question.type == "is there a":
        adjective, name = words[-2:]
        return "yes" if any(o.name == name and adjective in (o.colour, o.size) for o in things) else "no"
    if question.type == "how many":
        adjectives = set(words[2:-3])
        return str(sum(adjectives <= {o.colour, o.size} for o in things))
    named = next(o for o in things if o.name == words[-1])
    if question.type == "what colour is":
        return named.colour
    relation = " ".join(words[2:-2])
    if relation in ("in front of", "behind"):
        place = {o.name: number for number, o in enumerate(things)}
        front = place[question.answer] > place[named.name]
        return question.answer if front == (relation == "in front of") else ""
    (only,) = [o for o in things if o is not named and beyond(relation, o, named)]
    return only.name


def test_answers_are_right():
    assert all(answer(question) == question.answer for question in CHOSEN)


def test_nothing_about_an_object_that_is_not_there_or_not_one():
    for question in CHOSEN:
        things = SCENES[question.image_id].objects
        assert question.deciding and max(question.deciding) < len(things)
        names = {things[index].name for index in question.deciding}
        if question.type == "what is":
            assert {question.answer, question.text.rstrip("?").split()[-1]} == names
        if question.type == "how many":
            assert len(question.deciding) == int(question.answer)


def test_four_types_in_equal_shares():
    shares = Counter(question.type for question in CHOSEN)
    assert set(shares) == set(ANSWER_TYPES)
    assert set(shares.values()) == {2 * COUNT // 4}


@pytest.mark.parametrize(
    ("kind", "most"), [("is there a", 0.52), ("how many", 0.35), ("what colour is", 0.18), ("what is", 0.1)]
)
def test_no_answer_is_much_likelier_than_another(kind: str, most: float):
    answers = Counter(question.answer for question in CHOSEN if question.type == kind)
    assert max(answers.values()) <= most * sum(answers.values())
    if kind == "what colour is":
        assert set(answers) == set(COLOURS)
    if kind == "how many":
        assert set(answers) == set("1234")


def test_the_question_alone_does_not_tell():
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for question in CHOSEN:
        answers[question.text][question.answer] += 1
    guessed = sum(max(counter.values()) for counter in answers.values())
    assert guessed < 0.4 * len(CHOSEN)  # the best that any model can do on these without an image


def test_the_choice_depends_on_its_key_alone():
    assert balanced(CANDIDATES, 100, "key") == balanced(CANDIDATES, 100, "key") != balanced(CANDIDATES, 100, "other")
    assert len(set(CHOSEN)) == len(CHOSEN)
