import json
from collections import Counter
from pathlib import Path

import pytest

from whysaid.data.instances import Instance, Instances
from whysaid.data.poll_files import read_polls
from whysaid.data.polls import KINDS, polls, worded
from whysaid.errors import UserError

WORDING = "is there {article} {object}?"
OBJECTS = {1: "cat dog", 2: "cat dog ox", 3: "cat ball", 4: "cat", 5: "ox ball", 6: ""}
ALL = {"cat", "dog", "ox", "ball", "eel", "fox"}


@pytest.fixture
def instances() -> Instances:
    world = Instances()
    for image_id, names in OBJECTS.items():
        world.covered[image_id] = set(ALL)
        world.objects[image_id] = [Instance(0, name, (0, 0, 1, 1), (4, 4)) for name in names.split() * 2]
    return world


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_answers_are_yes_in_every_picture(instances: Instances, kind: str) -> None:
    asked = polls(instances, OBJECTS, kind, WORDING, per_image=2)
    for image_id, names in OBJECTS.items():
        own = [poll for poll in asked if poll.image_id == image_id]
        assert Counter(poll.yes for poll in own)[True] == min(len(names.split()), 2) == len(own) / 2
        assert all((poll.object in names.split()) == poll.yes for poll in own)
        assert len({poll.object for poll in own}) == len(own)


def test_absent_objects_are_the_frequent_ones_or_the_usual_companions(instances: Instances) -> None:
    def absent(kind: str, image_id: int) -> list[str | None]:
        return [p.object for p in polls(instances, OBJECTS, kind, WORDING) if p.image_id == image_id and not p.yes]

    assert absent("popular", 4)[0] in ("dog", "ox", "ball")  # twice each
    assert absent("adversarial", 4) == ["dog"]  # which is with a cat twice
    assert set(absent("adversarial", 3)) == {"dog", "ox"}  # with a cat, and with a ball
    assert set(absent("popular", 2)) <= {"ball", "eel", "fox"} and absent("popular", 2)[0] == "ball"


def test_the_draw_depends_on_the_seed_and_on_no_other_picture(instances: Instances) -> None:
    alone, together = (polls(instances, ids, "random", WORDING, seed=3) for ids in ([2], OBJECTS))
    assert alone == [poll for poll in together if poll.image_id == 2]
    assert len({str(polls(instances, [2], "random", WORDING, seed=seed)) for seed in range(9)}) > 1


def test_pictures_with_few_objects_may_be_left_out(instances: Instances) -> None:
    assert {poll.image_id for poll in polls(instances, OBJECTS, "random", WORDING, objects=2)} == {1, 2, 3, 5}


def test_what_cannot_be_asked(instances: Instances) -> None:
    with pytest.raises(UserError, match="has no 'rare'"):
        polls(instances, OBJECTS, "rare", WORDING)
    with pytest.raises(UserError, match="no object of these images is annotated"):
        polls(Instances(), OBJECTS, "random", WORDING)


def test_articles() -> None:
    assert worded(WORDING, "umbrella") == "is there an umbrella?" and worded(WORDING, "cat") == "is there a cat?"


SNOWBOARD = {"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "label": "yes"}
POPE = [
    {**SNOWBOARD, "text": "Is there a snowboard in the image?"},
    {**SNOWBOARD, "question_id": 2, "text": "Is there a hot dog in the image?", "label": "no"},
]
AMBER = [
    {"id": 8633, "image": "AMBER_1.jpg", "query": "Is there a cloud in this image?"},
    {"id": 1005, "image": "AMBER_2.jpg", "query": "Is the sky sunny in this image?"},
]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_popes(tmp_path: Path) -> None:
    file = written(tmp_path / "coco_pope_random.json", "\n".join(map(json.dumps, POPE)) + "\n")
    yes, no = read_polls(file)
    assert (yes.image_id, yes.object, yes.yes, yes.path) == (310196, "snowboard", True, None)
    assert (no.object, no.yes) == ("hot dog", False)
    assert read_polls(file, pictures=tmp_path)[0].path == tmp_path / "COCO_val2014_000000310196.jpg"


def test_files_of_ambers(tmp_path: Path) -> None:
    file = written(tmp_path / "query.json", json.dumps(AMBER))
    truths = [{"id": 8633, "type": "discriminative-hallucination", "truth": "no"}, {"id": 1005, "truth": "yes"}]
    answers = written(tmp_path / "annotations.json", json.dumps(truths))
    cloud, sky = read_polls(file, answers, tmp_path)
    assert (cloud.image_id, cloud.object, cloud.yes) == (1, "cloud", False)
    assert (sky.object, sky.text, sky.yes) == (None, "Is the sky sunny in this image?", True)
    with pytest.raises(UserError, match=r"give AMBER's annotations\.json as study\.answers"):
        read_polls(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a JSON file"),
        ("", "asks nothing"),
        ('{"text": "Is it?", "label": "yes"}', "is not laid out as such a file is"),
        (json.dumps({**POPE[0], "image": "../1.jpg"}), "leads out of"),
    ],
)
def test_files_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_polls(written(tmp_path / "polls.json", text), pictures=tmp_path)
    with pytest.raises(UserError, match="is missing"):
        read_polls(tmp_path / "nothing.json")
