"""Polls of models that know everything, of models that say yes to everything, and of those that are trained."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.running import COUNTS, SIZE, Ran, run_door
from tests.studies.test_doors import CHAIN
from whysaid.data.annotated import read_instances
from whysaid.data.batch import Pictures
from whysaid.data.images import Preprocessing, load_image
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.scenes.source import ScenesQuestions
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.decoding.contrast.absent import Grey
from whysaid.errors import UserError
from whysaid.studies.polling.study import Polling
from whysaid.tasks.answerer import Answerer

WORDING = "is there {article} {object}?"
QUICK = ("logger=none", "study=polling", "study.images=8")


class Oracle(torch.nn.Module):
    """Answers by the annotations of the picture that it is shown, or always yes."""

    def __init__(self, photos: list[Any], words: Vocabulary, always: bool = False):
        super().__init__()
        self.encoder = SimpleNamespace(grid=(1, 1), preprocessing=Preprocessing(8, (0.5,) * 3, (0.25,) * 3))
        instances = read_instances(photos)
        self.words, self.always = words, always
        self.known = {
            self.key(self.encoder.preprocessing(load_image(photo.path))): {
                thing.category for thing in instances.objects[photo.id]
            }
            for photo in photos
        }

    @staticmethod
    def key(pixels: Tensor) -> bytes:
        return pixels.numpy().tobytes()

    def features(self, batch: Pictures) -> Tensor:
        assert batch.images is not None
        return batch.images

    def forward(self, questions: Tensor, images: Tensor) -> Tensor:
        asked = questions.view(len(images), -1, questions.shape[1]).tolist()
        there = [
            bool(self.known[self.key(image)] & {self.words.words[i] for i in question})
            for image, of in zip(images, asked, strict=True)
            for question in of
        ]
        logits = torch.tensor(there).float() * 2 - 1 if not self.always else torch.ones(len(questions))
        return torch.stack([-logits, torch.full_like(logits, 9.0), logits], 1)


@pytest.fixture(scope="module")
def world(data_dir: Path) -> SimpleNamespace:
    photos = ScenesQuestions(str(data_dir / "scenes"), size=SIZE, counts=COUNTS).read("test")
    categories = sorted({name for of in read_instances(photos).covered.values() for name in of})
    words = Vocabulary([*SPECIALS, "is", "there", "a", "an", *categories])
    return SimpleNamespace(images=lambda split: photos, evaluated="test", name="scenes", words=words, photos=photos)


def poll(world: SimpleNamespace, folder: Path, always: bool = False, **settings: Any) -> list[dict[str, Any]]:
    answers = AnswerVocabulary(["no", "red", "yes"])
    task = Answerer(Oracle(world.photos, world.words, always), world.words, answers)  # type: ignore[arg-type]
    outcome = Polling(Grey(), wording=WORDING, **settings)(task, world, folder)
    outcome.write(folder, "polling")
    return [dict(row) for row in outcome.rows]


def test_who_knows_everything_is_always_right(world: SimpleNamespace, tmp_path: Path) -> None:
    rows = poll(world, tmp_path, batch_size=5)
    assert [(row["poll"], row["by"]) for row in rows] == [
        (kind, "answer") for kind in ("random", "popular", "adversarial")
    ]
    for row in rows:
        assert row["yes"] == 0.5 and row["questions"] > 16
        assert {row[name] for name in ("accuracy", "precision", "recall", "F1", "auc", "accuracy_low")} == {1.0}


def test_who_says_yes_to_everything_is_right_half_of_the_time(world: SimpleNamespace, tmp_path: Path) -> None:
    for row in poll(world, tmp_path, always=True):
        assert (row["accuracy"], row["recall"], row["yes"], row["auc"]) == (0.5, 1.0, 1.0, 0.5)
        assert row["F1"] == pytest.approx(2 / 3)


def test_files_of_others(world: SimpleNamespace, tmp_path: Path) -> None:
    """POPE's layout about pictures of the data set, and AMBER's about those of a folder; what is missing is counted."""
    photo = world.photos[0]
    (name,) = list({thing.category for thing in read_instances([photo]).objects[photo.id]})[:1]
    lines = [
        {"image": photo.path.name, "text": f"Is there a {name} in the image?", "label": "yes"},
        {"image": "COCO_val2014_000099999999.jpg", "text": "Is there a dog in the image?", "label": "no"},
    ]
    (tmp_path / "coco_pope_random.json").write_text("\n".join(map(json.dumps, lines)))
    (row,) = poll(world, tmp_path, files=[str(tmp_path / "coco_pope_random.json")])
    assert (row["poll"], row["questions"], row["accuracy"]) == ("coco_pope_random", 1, 1.0)
    notes = json.loads((tmp_path / "polling.json").read_text())["notes"]
    assert "1 questions about pictures that are not there" in notes[0]
    assert "1 coco_pope_random questions without a reply (answer)" in notes[0]
    query = [{"id": 1, "image": photo.path.name, "query": f"Is there a {name} in this image?"}]
    (tmp_path / "query.json").write_text(json.dumps(query))
    (tmp_path / "annotations.json").write_text(json.dumps([{"id": 1, "type": "existence", "truth": "no"}]))
    amber = {"files": [str(tmp_path / "query.json")], "answers": str(tmp_path / "annotations.json")}
    (row,) = poll(world, tmp_path, **amber, pictures=str(photo.path.parent))
    assert (row["poll"], row["accuracy"]) == ("query", 0.0)
    with pytest.raises(UserError, match=r"give AMBER's annotations\.json as study\.answers"):
        poll(world, tmp_path, files=amber["files"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ["rare"]}, "choose among random, popular, adversarial"),
        ({"files": ["nowhere.json"]}, "is missing"),
    ],
)
def test_what_cannot_be_asked(change: dict[str, Any], message: str, world: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        poll(world, tmp_path, **change)


def test_pictures_without_annotations_are_refused(world: SimpleNamespace, tmp_path: Path) -> None:
    photo = world.photos[0]
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / photo.path.name
    moved.write_bytes(photo.path.read_bytes())
    alone = SimpleNamespace(id=photo.id, path=moved)
    nothing = SimpleNamespace(images=lambda split: [alone], evaluated="test", words=world.words, photos=world.photos)
    with pytest.raises(UserError, match=r"polling needs annotations/instances_\*\.json"):
        poll(nothing, tmp_path)


def test_a_model_that_does_not_know_yes_is_refused(world: SimpleNamespace, tmp_path: Path) -> None:
    task = Answerer(Oracle(world.photos, world.words), world.words, AnswerVocabulary(["red"]))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="does not know the answers yes and no"):
        Polling(Grey())(task, world, tmp_path)


def answers_of(ran: Ran) -> list[dict[str, str]]:
    with (ran.folder / "polling_answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_captioner_through_the_door(finished: Path, places: list[str]) -> None:
    """It says the same of every picture, and whatever it says of them counts as yes."""
    said = ("decoding=greedy", f"decoding.filters=[{CHAIN}]")
    ran = run_door("evaluate", *places, f"ckpt={finished}/checkpoints/best.ckpt", *QUICK, *said)
    rows = json.loads((ran.folder / "polling.json").read_text())["rows"]
    assert [(row["poll"], row["by"]) for row in rows] == [
        (kind, by) for kind in ("random", "popular", "adversarial") for by in ("named", "probability")
    ]
    answers = answers_of(ran)
    for answer in answers:
        if answer["by"] == "named":
            assert (answer["said"] == "True") == (answer["object"] in ("cat", "ball", "boat", "car"))
            assert answer["score"] == ""
        else:
            assert (answer["said"] == "True") == (float(answer["score"]) > 0)
    for row in rows:
        own = [a for a in answers if (a["poll"], a["by"]) == (row["poll"], row["by"])]
        assert row["accuracy"] == pytest.approx(np.mean([a["said"] == a["yes"] for a in own]))
        assert len(own) == row["questions"] and len({a["image_id"] for a in own}) == 8
        assert 2 * sum(a["yes"] == "True" for a in own) == len(own)
        assert (row["auc"] is None) == (row["by"] == "named")
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert metrics["test/poll_accuracy_random_named"] == rows[0]["accuracy"]


@pytest.mark.parametrize(
    ("family", "ways"), [("vilt", ["answer"]), ("blip_vqa", ["answer"]), ("git", ["named", "probability"])]
)
def test_models_of_transformers_through_the_door(
    family: str, ways: list[str], hub_folder: Callable[[str], Path], places: list[str]
) -> None:
    about = ("data=scenes", "data.source.counts={train: 48, val: 16, test: 16}", f"data.source.size={SIZE}")
    absent = "decoding/contrast/absent@study.absent=grey"
    asked = ("study.kinds=[random]", "study.images=3", absent, "decoding.max_length=6")
    if family == "vilt":
        asked = asked[:-1]
    ran = run_door("evaluate", *places, f"ckpt=hf:{hub_folder(family)}", *QUICK, *about, *asked)
    rows = json.loads((ran.folder / "polling.json").read_text())["rows"]
    assert [row["by"] for row in rows] == ways and all(0 <= row["accuracy"] <= 1 for row in rows)
    assert all(np.isfinite(float(a["score"])) for a in answers_of(ran) if a["by"] != "named")


def test_a_model_that_sees_regions_cannot_be_polled(world: SimpleNamespace, tmp_path: Path) -> None:
    model = Oracle(world.photos, world.words)
    model.encoder.grid = None
    with pytest.raises(UserError, match="choose another encoder"):
        Polling(Grey())(Answerer(model, world.words, AnswerVocabulary(["no", "yes"])), world, tmp_path)  # type: ignore[arg-type]
